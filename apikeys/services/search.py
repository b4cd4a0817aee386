"""Keys by filter, newest first, a page at a time."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.core import signing

from apikeys.insights import with_status
from apikeys.models import Key, KeyQuerySet, Status
from apikeys.services.callers import Caller
from audit.activity.queries import InvalidCursor


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys are wanted; what is left empty does not matter."""

    status: Status | None = None
    kind: str = ""
    environment: str = ""
    organization: uuid.UUID | None = None
    owner: uuid.UUID | None = None
    q: str = ""

    def of(self, keys: KeyQuerySet, at: datetime) -> KeyQuerySet:
        if self.status:
            keys = with_status(keys, self.status, at)
        wanted = {
            "kind": self.kind,
            "environment": self.environment,
            "organization": self.organization,
            "owner__user": self.owner,
            "name__icontains": self.q,
        }
        return keys.filter(**{column: value for column, value in wanted.items() if value})


@dataclass(frozen=True, slots=True)
class Page:
    """`total` counts what the filter finds on all pages."""

    keys: Sequence[Key]
    total: int
    next_cursor: str | None


def page(caller: Caller, wanted: KeyFilter, *, at: datetime, limit: int, cursor: str = "") -> Page:
    """Read one page of what the caller may see. Raises InvalidCursor for a cursor of another caller or filter.

    Ids are made in the order of time, so that they are both the order and the place in it.
    """
    found = wanted.of(caller.keys(), at)
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
    return Page(keys[:limit], found.count(), signer.sign(keys[limit - 1].pk.hex) if more else None)


def _open(signer: signing.Signer, cursor: str) -> uuid.UUID:
    try:
        return uuid.UUID(signer.unsign(cursor))
    except signing.BadSignature as error:
        raise InvalidCursor() from error
