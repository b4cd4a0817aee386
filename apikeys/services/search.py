"""Search keys, newest first, one page at a time."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.core import signing

from apikeys.insights import found_by, unused, with_status
from apikeys.models import Key, KeyQuerySet, Status
from apikeys.services.callers import Caller
from audit.activity.queries import InvalidCursor


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Conditions on keys. An empty field does not filter."""

    status: Status | None = None
    kind: str = ""
    environment: str = ""
    organization: uuid.UUID | None = None
    owner: uuid.UUID | None = None
    is_organizations: bool = False
    is_unused: bool = False
    never_expires: bool = False
    q: str = ""

    def of(self, keys: KeyQuerySet, at: datetime) -> KeyQuerySet:
        if self.status:
            keys = with_status(keys, self.status, at)
        if self.is_organizations:
            keys = keys.of_organization()
        if self.is_unused:
            keys = keys.filter(unused(at))
        if self.never_expires:
            keys = keys.filter(expires_at=None)
        if self.q:
            keys = keys.filter(found_by(self.q))
        wanted = {
            "kind": self.kind,
            "environment": self.environment,
            "organization": self.organization,
            "owner__user": self.owner,
        }
        return keys.filter(**{column: value for column, value in wanted.items() if value})


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One page of keys. `total` counts the matches on all pages."""

    keys: Sequence[Key]
    total: int
    next_cursor: str | None


def page(
    caller: Caller, wanted: KeyFilter, *, at: datetime, limit: int, cursor: str = ""
) -> KeyPage:
    """Read one page of the keys the caller may see.

    Raises InvalidCursor for a cursor that was made for another caller or filter. Ids are UUIDv7 and
    sort by time of issue, so the cursor is the last id of the page.
    """
    found = wanted.of(caller.keys(), at)
    # The salt binds a cursor to its caller and filter. The cursor grants nothing (`found` is
    # filtered again on each page), but a cursor used with another filter would silently skip keys.
    signer = signing.Signer(
        salt=f"apikeys.services.search {caller.id} {json.dumps(asdict(wanted), default=str)}"
    )
    rows = (
        found.order_by("-pk")
        .select_related("organization", "owner__user")
        .prefetch_related("secrets")
    )
    if cursor:
        rows = rows.filter(pk__lt=_open(signer, cursor))
    keys = list(rows[: limit + 1])
    more = len(keys) > limit
    next_cursor = signer.sign(keys[limit - 1].pk.hex) if more else None
    return KeyPage(keys[:limit], found.count(), next_cursor)


def _open(signer: signing.Signer, cursor: str) -> uuid.UUID:
    try:
        return uuid.UUID(signer.unsign(cursor))
    except signing.BadSignature as error:
        raise InvalidCursor() from error
