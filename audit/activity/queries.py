"""Activity queries shared by the API and the pages: newest first, one page at a time."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Self

from django.core import signing
from django.db import OperationalError
from django.db.models import Q, QuerySet

from audit.activity.event import FIELDS as EVENT_FIELDS
from audit.activity.models import ActivityEvent
from config.lib.errors import KeywayError
from config.lib.export import rfc3339
from config.lib.ids import encode

FIELDS = ("id", *EVENT_FIELDS, "received_at")
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
# Statements may be long and matches rare. A page that grows too large or takes too long ends early,
# and its cursor leads to the rest. It is read in parts, each a statement under statement_timeout.
# A server-side cursor would escape that limit, because PostgreSQL runs the query of a cursor WITH
# HOLD at commit, when the limit no longer applies.
PAGE_CHARACTERS = 8 * 1024 * 1024
PAGE_SECONDS = 5.0
PART = 100

_SEARCHED = (
    "statement",
    "object_name",
    "server_principal_name",
    "database_principal_name",
    "additional_information",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_QUERY_CANCELED = "57014"


class InvalidCursor(KeywayError):
    code = "invalid_cursor"
    detail = "The cursor was changed, or belongs to another key, environment or filter."


class QueryTooBroad(KeywayError):
    code = "query_too_broad"
    detail = "The search took too long. Narrow the time range or the filter."


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """Conditions that an event must meet; empty ones match everything.

    `since` is inclusive, `until` exclusive.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str = ""
    action: str = ""
    database: str = ""
    object: str = ""
    success: bool | None = None
    client_ip: str = ""
    q: str = ""

    def as_q(self) -> Q:
        wanted = Q()
        for name, column in _EQUAL.items():
            if (value := getattr(self, name)) not in (None, ""):
                wanted &= Q(**{column: value})
        if self.action:
            wanted &= Q(action_id=self.action) | Q(action_name=self.action)
        if self.q:
            # icontains escapes LIKE's wildcards, so a search for "%" finds percent signs only.
            wanted &= Q.create(
                [(f"{column}__icontains", self.q) for column in _SEARCHED], connector=Q.OR
            )
        return wanted


_EQUAL = {
    "since": "event_time__gte",
    "until": "event_time__lt",
    "actor": "server_principal_name",
    "database": "database_name",
    "object": "object_name",
    "success": "succeeded",
    "client_ip": "client_ip",
}


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """`next_cursor` leads to older events, `previous_cursor` to newer ones."""

    events: Sequence[ActivityEvent]
    next_cursor: str | None
    previous_cursor: str | None


def page(
    organization_id: uuid.UUID,
    environment: str,
    wanted: ActivityFilter,
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str = "",
) -> ActivityPage:
    """Read one page. Following `next_cursor` returns each event present at the start exactly once,
    even while new events arrive.

    Raises InvalidCursor for a cursor of another organization, environment or filter, and
    QueryTooBroad if the database hits its time limit.
    """
    seal = _Seal.of(organization_id, environment, wanted)
    position = seal.open(cursor) if cursor else None
    events = matching(organization_id, environment, wanted)
    if position and position.is_newer:
        nearest, more = _collect(events.order_by("event_time", "event_id"), position, limit)
        if more:
            nearest.reverse()
            return ActivityPage(nearest, seal.older_than(nearest[-1]), seal.newer_than(nearest[0]))
        # Fewer newer events than a page holds, so this is the first page. Show it in full.
        position = None
    newest, more = _collect(events, position, limit)
    return ActivityPage(
        newest,
        next_cursor=seal.older_than(newest[-1]) if more else None,
        previous_cursor=seal.newer_than(newest[0]) if position and newest else None,
    )


def matching(
    organization_id: uuid.UUID, environment: str, wanted: ActivityFilter
) -> QuerySet[ActivityEvent]:
    """Return all matching events, newest first."""
    events = ActivityEvent.objects.filter(
        wanted.as_q(), organization_id=organization_id, environment=environment
    )
    return events.order_by("-event_time", "-event_id")


def find(organization_id: uuid.UUID, environment: str, event_id: uuid.UUID) -> ActivityEvent | None:
    return ActivityEvent.objects.filter(
        organization_id=organization_id, environment=environment, event_id=event_id
    ).first()


def row(event: ActivityEvent) -> dict[str, Any]:
    """Return the public form of an event: FIELDS, as the API and the exports show them."""
    fields: dict[str, Any] = {name: getattr(event, name) for name in FIELDS if name != "id"}
    times = {name: rfc3339(fields[name]) for name in ("event_time", "received_at")}
    return {"id": encode("evt", event.event_id), **fields, "event_id": str(event.event_id), **times}


def _collect(
    events: QuerySet[ActivityEvent], position: "_Position | None", limit: int
) -> tuple[list[ActivityEvent], bool]:
    """Return up to `limit` events after `position`, in the order of `events`, and if more exist.

    Return fewer if their text exceeds PAGE_CHARACTERS or reading takes longer than PAGE_SECONDS.
    """
    taken: list[ActivityEvent] = []
    characters, deadline = 0, monotonic() + PAGE_SECONDS
    while True:
        size = min(limit - len(taken), PART)
        part = _fetch(position.side_of(events) if position else events, size + 1)
        for event in part[:size]:
            taken.append(event)
            characters += len(event.statement) + len(event.additional_information)
            if characters > PAGE_CHARACTERS:
                return taken, event is not part[-1]
        if len(part) <= size or len(taken) == limit or monotonic() > deadline:
            return taken, len(part) > size
        position = _Position(
            bool(position and position.is_newer), taken[-1].event_time, taken[-1].event_id
        )


def _fetch(events: QuerySet[ActivityEvent], count: int) -> list[ActivityEvent]:
    try:
        return list(events[:count])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == _QUERY_CANCELED:
            raise QueryTooBroad() from error
        raise


@dataclass(frozen=True, slots=True)
class _Position:
    """A place in the list: all events newer than this one, or all that are older."""

    is_newer: bool
    event_time: datetime
    event_id: uuid.UUID

    def side_of(self, events: QuerySet[ActivityEvent]) -> QuerySet[ActivityEvent]:
        side = "gt" if self.is_newer else "lt"
        beyond = Q(**{f"event_time__{side}": self.event_time})
        beyond |= Q(**{"event_time": self.event_time, f"event_id__{side}": self.event_id})
        # The first condition implies the second, which is redundant but lets the database start at
        # the right place in the index. It cannot derive that from the OR.
        return events.filter(beyond, **{f"event_time__{side}e": self.event_time})


@dataclass(frozen=True, slots=True)
class _Seal:
    """Signs cursors for one organization, environment and filter.

    The scope is part of the salt, so a cursor from elsewhere fails the signature check. Otherwise a
    cursor could be carried to another organization and reveal where its events lie in time.
    """

    signer: signing.Signer

    @classmethod
    def of(cls, organization_id: uuid.UUID, environment: str, wanted: ActivityFilter) -> Self:
        scope = {**asdict(wanted), "organization": organization_id, "environment": environment}
        return cls(
            signing.Signer(salt=f"audit.activity.queries {json.dumps(scope, default=_to_text)}")
        )

    def older_than(self, event: ActivityEvent) -> str:
        return self._sign("older", event.event_time, event.event_id)

    def newer_than(self, event: ActivityEvent) -> str:
        return self._sign("newer", event.event_time, event.event_id)

    def _sign(self, side: str, event_time: datetime, event_id: uuid.UUID) -> str:
        return self.signer.sign(f"{side}.{(event_time - _EPOCH) // _MICROSECOND}.{event_id.hex}")

    def open(self, cursor: str) -> _Position:
        try:
            side, microseconds, event_id = self.signer.unsign(cursor).split(".")
        except signing.BadSignature as error:
            raise InvalidCursor() from error
        return _Position(
            side == "newer", _EPOCH + int(microseconds) * _MICROSECOND, uuid.UUID(event_id)
        )


def _to_text(value: datetime | uuid.UUID) -> str:
    return rfc3339(value) if isinstance(value, datetime) else value.hex
