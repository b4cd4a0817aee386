"""`/api/v1/api-keys`. Calls take a key's id or a Key that another call returned."""

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
from keyway.wire import JSON, Call, Listing, as_json, rfc3339, without_none

_PATH = "/api/v1/api-keys"
_ID = re.compile(r"key_[0-9A-Za-z]{1,64}")
_AS_JSON: Final = {"Content-Type": JSON}


@dataclass(frozen=True, slots=True)
class _ServerDefault:
    """Marks an expiry left to Keyway's default, because None means that the key never expires."""


DEFAULT: Final = _ServerDefault()


def create(
    name: str,
    *,
    scopes: Sequence[str],
    description: str | None = None,
    expires_in_days: int | _ServerDefault | None = DEFAULT,
    expires_at: datetime | None = None,
    environment: str | None = None,
    organization_id: str | None = None,
    allowed_cidrs: Sequence[str] | None = None,
    kind: str | None = None,
    idempotency_key: str | None = None,
) -> Call[IssuedKey]:
    """Issue a key. Only this answer contains its secret.

    The key expires after `expires_in_days` (30, 60, 90, 180 or 365; None for never; 90 by default)
    or at `expires_at`. Idempotent: each call sends an idempotency key, `idempotency_key` or a
    generated one.
    """
    if expires_at is not None and not isinstance(expires_in_days, _ServerDefault):
        raise Misconfigured("Pass expires_in_days or expires_at, not both.")
    order = without_none(
        name=name,
        description=description,
        scopes=_texts("scopes", scopes),
        expires_at=rfc3339(expires_at) if expires_at else None,
        environment=environment,
        organization_id=organization_id,
        allowed_cidrs=_texts("allowed_cidrs", allowed_cidrs),
        kind=kind,
    )
    if not isinstance(expires_in_days, _ServerDefault):
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
    """Iterate over the keys visible to the credential, fetching pages of `limit` (at most 100).

    `owner` is "me" or ``usr_…``. `q` searches the name.
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
    """Return one key."""
    return Call("GET", _path(key), reader(Key))


def update(
    key: str | Key,
    *,
    name: str | None = None,
    description: str | None = None,
    scopes: Sequence[str] | None = None,
    allowed_cidrs: Sequence[str] | None = None,
) -> Call[ChangedKey]:
    """Change the given fields and leave the others."""
    changes = without_none(
        name=name,
        description=description,
        scopes=_texts("scopes", scopes),
        allowed_cidrs=_texts("allowed_cidrs", allowed_cidrs),
    )
    return Call("PATCH", _path(key), reader(ChangedKey), headers=_AS_JSON, body=as_json(changes))


def rotate(
    key: str | Key, *, grace: timedelta | float = 0, finish_with_last_host: bool | None = None
) -> Call[RotatedKey]:
    """Issue a new secret for the key.

    Without `grace` the old secret ends at once. With it (seconds or a timedelta, at most seven
    days) the new secret is pending until its first use, and the old one works for `grace` from then
    on, or for an agent key with `finish_with_last_host` until every known host has moved. Not
    retried when its answer is lost: a second rotation would end the secret of the first.
    """
    seconds = grace.total_seconds() if isinstance(grace, timedelta) else grace
    body = as_json(without_none(grace=int(seconds), finish_with_last_host=finish_with_last_host))
    return Call(
        "POST",
        f"{_path(key)}/rotate",
        reader(RotatedKey),
        headers=_AS_JSON,
        body=body,
        is_idempotent=False,
    )


def revoke(key: str | Key, *, reason: str | None = None) -> Call[Revocation]:
    """Revoke the key permanently. Revoking it again raises Conflict with code `already_revoked`."""
    if reason is None:
        return Call("DELETE", _path(key), reader(Revocation))
    return Call(
        "DELETE", _path(key), reader(Revocation), headers=_AS_JSON, body=as_json({"reason": reason})
    )


def usage(key: str | Key) -> Call[Usage]:
    """Return the key's usage statistics."""
    return Call("GET", f"{_path(key)}/usage", reader(Usage))


def _path(key: str | Key) -> str:
    identifier = key.id if isinstance(key, Key) else key
    # Check here: a secret passed by mistake would end up in every log that records URLs.
    if not _ID.fullmatch(identifier):
        raise Misconfigured("Pass a key's id, key_….")
    return f"{_PATH}/{identifier}"


def _texts(name: str, texts: Sequence[str] | None) -> list[str] | None:
    if isinstance(texts, str):
        raise Misconfigured(f"{name} must be a list.")
    return None if texts is None else list(texts)


def _header(name: str, value: str) -> str:
    if not (value.isascii() and value.isprintable() and len(value) <= 255):
        raise Misconfigured(f"{name} must be at most 255 printable ASCII characters.")
    return value
