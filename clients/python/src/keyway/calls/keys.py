"""`/api/v1/api-keys`. A key is given by its id or by what a call answered."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyway.calls.listing import listing
from keyway.decoding import reader
from keyway.errors import Misconfigured
from keyway.models import ChangedKey, IssuedKey, Key, Revocation, RotatedKey, Usage
from keyway.wire import JSON, Call, Listing, as_json, given, moment

_PATH = "/api/v1/api-keys"
_ID = re.compile(r"key_[0-9A-Za-z]{1,64}")
_AS_JSON: Final = {"Content-Type": JSON}


@dataclass(frozen=True, slots=True)
class _AsKeywayHasIt:
    """Leave it to Keyway; None says never."""


DEFAULT: Final = _AsKeywayHasIt()


def create(
    name: str,
    *,
    scopes: Sequence[str],
    description: str | None = None,
    expires_in_days: int | _AsKeywayHasIt | None = DEFAULT,
    expires_at: datetime | None = None,
    environment: str | None = None,
    organization_id: str | None = None,
    allowed_cidrs: Sequence[str] | None = None,
    kind: str | None = None,
    idempotency_key: str | None = None,
) -> Call[IssuedKey]:
    """Issue a key; its secret is in the answer and never again.

    It ends `expires_in_days` after now (30, 60, 90, 180 or 365; None is never; 90 where nothing is said), or at
    `expires_at`. Safe to repeat: each call has an idempotency key, its own or the one given.
    """
    if expires_at is not None and not isinstance(expires_in_days, _AsKeywayHasIt):
        raise Misconfigured("Give expires_in_days or expires_at, not both.")
    order = given(
        name=name,
        description=description,
        scopes=_texts("scopes", scopes),
        expires_at=moment(expires_at) if expires_at else None,
        environment=environment,
        organization_id=organization_id,
        allowed_cidrs=_texts("allowed_cidrs", allowed_cidrs),
        kind=kind,
    )
    if not isinstance(expires_in_days, _AsKeywayHasIt):
        order["expires_in_days"] = expires_in_days
    headers = _AS_JSON | {
        "Idempotency-Key": _header("idempotency_key", idempotency_key or str(uuid.uuid4()))
    }
    return Call("POST", _PATH, reader(IssuedKey), headers=headers, body=as_json(order))


def list_keys(
    *,
    status: str | None = None,
    kind: str | None = None,
    environment: str | None = None,
    organization_id: str | None = None,
    owner: str | None = None,
    q: str | None = None,
    limit: int | None = None,
) -> Listing[Key]:
    """Iterate over the keys that can be seen, fetching `limit` (at most 100) at a time.

    `owner` is "me" or ``usr_…``; `q` is a part of the name.
    """
    return listing(
        _PATH,
        Key,
        status=status,
        kind=kind,
        environment=environment,
        organization_id=organization_id,
        owner=owner,
        q=q,
        limit=limit,
    )


def get(key: str | Key) -> Call[Key]:
    """Show one key."""
    return Call("GET", _path(key), reader(Key))


def update(
    key: str | Key,
    *,
    name: str | None = None,
    description: str | None = None,
    scopes: Sequence[str] | None = None,
    allowed_cidrs: Sequence[str] | None = None,
) -> Call[ChangedKey]:
    """Change what is given, leave the rest."""
    changes = given(
        name=name,
        description=description,
        scopes=_texts("scopes", scopes),
        allowed_cidrs=_texts("allowed_cidrs", allowed_cidrs),
    )
    return Call("PATCH", _path(key), reader(ChangedKey), headers=_AS_JSON, body=as_json(changes))


def rotate(key: str | Key, *, grace: timedelta | float = 0) -> Call[RotatedKey]:
    """Give the key another secret. The old one ends after `grace` (in seconds; at most seven days), at once by default.

    Not repeated when its answer is lost: a second rotation would end the old secret's grace.
    """
    seconds = grace.total_seconds() if isinstance(grace, timedelta) else grace
    body = as_json({"grace": int(seconds)})
    return Call(
        "POST",
        f"{_path(key)}/rotate",
        reader(RotatedKey),
        headers=_AS_JSON,
        body=body,
        is_idempotent=False,
    )


def revoke(key: str | Key, *, reason: str | None = None) -> Call[Revocation]:
    """End the key for good. A second time is a Conflict with the code `already_revoked`."""
    if reason is None:
        return Call("DELETE", _path(key), reader(Revocation))
    return Call(
        "DELETE", _path(key), reader(Revocation), headers=_AS_JSON, body=as_json({"reason": reason})
    )


def usage(key: str | Key) -> Call[Usage]:
    """Tell what the key was used for."""
    return Call("GET", f"{_path(key)}/usage", reader(Usage))


def _path(key: str | Key) -> str:
    identifier = key.id if isinstance(key, Key) else key
    # A secret in the place of an id would be written into every log that addresses go to.
    if not _ID.fullmatch(identifier):
        raise Misconfigured("A key is named by its id, key_….")
    return f"{_PATH}/{identifier}"


def _texts(name: str, texts: Sequence[str] | None) -> list[str] | None:
    if isinstance(texts, str):
        raise Misconfigured(f"{name} is a list.")
    return None if texts is None else list(texts)


def _header(name: str, value: str) -> str:
    if not (value.isascii() and value.isprintable() and len(value) <= 255):
        raise Misconfigured(f"{name} is at most 255 printable ASCII characters.")
    return value
