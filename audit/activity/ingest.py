"""Storing agents' batches: each event once, nothing overwritten, a batch whole or not at all."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Self

import msgspec
from django.db import IntegrityError, connection, transaction
from msgspec.structs import astuple

from audit.activity.batch import Verdicts
from audit.activity.event import FIELDS, Event, digests, encode, flaw_in_time, in_utc
from audit.activity.models import ActivityEvent
from config.lib.errors import KeywayError
from config.lib.postgres_copy import copy_in
from config.lib.strict_json import Flaw

# An agent tells of its own host, a forwarder of several. Each host that is new costs a row and a trail entry.
MAX_HOSTS = 64
_ATTEMPTS = 5
_LOOKUP_SIZE = 500
_COLUMNS = ("organization_id", "environment", "received_at", "digest", *FIELDS)

_CONFLICT = Flaw(
    "conflicting_event",
    "event_id",
    "Another event with this id is stored, or earlier in this batch.",
)
_CROWD = Flaw("too_many_hosts", "host", f"A batch tells of at most {MAX_HOSTS} hosts.")


class Contended(KeywayError):
    code = "unavailable"
    detail = "Others are sending the same events just now. Nothing of this batch was stored; send it again."


@dataclass(frozen=True, slots=True)
class Place:
    """Where events belong. Nothing in one place sees, or collides with, anything in another."""

    organization_id: uuid.UUID
    environment: str


class Rejection(msgspec.Struct, frozen=True):
    """`index` counts the batch's events from 0."""

    index: int
    code: str
    field: str | None
    detail: str

    @classmethod
    def of(cls, index: int, flaw: Flaw) -> Self:
        return cls(index, flaw.code, flaw.field, flaw.detail)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch. `hosts` are those of the events that are now stored."""

    accepted: int
    duplicate: int
    rejected: Sequence[Rejection]
    hosts: frozenset[str]

    @property
    def is_in_vain(self) -> bool:
        return not self.accepted and not self.duplicate


class _Entry(NamedTuple):
    number: int
    event: Event
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Sorted:
    fresh: list[_Entry] = field(default_factory=list)
    duplicate: list[_Entry] = field(default_factory=list)
    conflicting: list[_Entry] = field(default_factory=list)


def receive(*, place: Place, verdicts: Verdicts, at: datetime) -> Outcome:
    """Store the batch's good events, all in one transaction. Sending it again stores nothing twice. Raises Contended."""
    rejected, entries = _judge(verdicts, at)
    stored = _store(place, entries, at)
    rejected += [Rejection.of(entry.number, _CONFLICT) for entry in stored.conflicting]
    return Outcome(
        accepted=len(stored.fresh),
        duplicate=len(stored.duplicate),
        rejected=sorted(rejected, key=lambda rejection: rejection.index),
        hosts=frozenset(entry.event.host for entry in stored.fresh + stored.duplicate),
    )


def _judge(verdicts: Verdicts, at: datetime) -> tuple[list[Rejection], list[_Entry]]:
    rejected: list[Rejection] = []
    good: dict[int, Event] = {}
    hosts: set[str] = set()
    encoded = verdicts.encoded
    for index, verdict in enumerate(verdicts):
        outcome = (
            verdict if isinstance(verdict, Flaw) else _flaw(verdict, hosts, at) or in_utc(verdict)
        )
        if outcome is not verdict:
            encoded = None
        if isinstance(outcome, Flaw):
            rejected.append(Rejection.of(index, outcome))
        else:
            good[index] = outcome
    events = list(good.values())
    return rejected, list(
        map(_Entry, good.keys(), events, digests(encode(events) if encoded is None else encoded))
    )


def _flaw(event: Event, hosts: set[str], at: datetime) -> Flaw | None:
    """`hosts` are those of the batch up to here."""
    if flaw := flaw_in_time(event, at):
        return flaw
    if event.host in hosts:
        return None
    if len(hosts) == MAX_HOSTS:
        return _CROWD
    hosts.add(event.host)
    return None


def _store(place: Place, entries: Sequence[_Entry], at: datetime) -> _Sorted:
    # Nearly every batch is new, so the first attempt looks nothing up: the primary key tells when that was wrong.
    known: dict[uuid.UUID, bytes] = {}
    for _ in range(_ATTEMPTS):
        try:
            with transaction.atomic():
                stored = _sort_out(entries, known)
                _insert(place, stored.fresh, at)
                return stored
        except IntegrityError:
            # Some of these events are stored, perhaps since a moment ago by somebody who sends the same.
            known = _lookup(place, [entry.event.event_id for entry in entries])
    raise Contended()


def _sort_out(entries: Sequence[_Entry], known: dict[uuid.UUID, bytes]) -> _Sorted:
    """Compare with what is stored, and with what came earlier in the batch."""
    result = _Sorted()
    for entry in entries:
        before = known.setdefault(entry.event.event_id, entry.digest)
        if before is entry.digest:
            result.fresh.append(entry)
        elif before == entry.digest:
            result.duplicate.append(entry)
        else:
            result.conflicting.append(entry)
    # Two senders of the same events insert them in the same order, so that neither waits for the other in a circle.
    result.fresh.sort(key=lambda entry: entry.event.event_id.int)
    return result


def _lookup(place: Place, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, bytes]:
    if connection.vendor == "postgresql":
        return _lookup_in_array(place, ids)
    rows = ActivityEvent.objects.filter(
        organization_id=place.organization_id, environment=place.environment
    )
    chunks = (ids[start : start + _LOOKUP_SIZE] for start in range(0, len(ids), _LOOKUP_SIZE))
    return {
        key: bytes(value)
        for chunk in chunks
        for key, value in rows.filter(event_id__in=chunk).values_list("event_id", "digest")
    }


def _lookup_in_array(place: Place, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, bytes]:
    """One parameter instead of thousands."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id, digest FROM audit_activityevent"
            " WHERE organization_id = %s AND environment = %s AND event_id = ANY(%s::uuid[])",
            [place.organization_id, place.environment, [id_.hex for id_ in ids]],
        )
        return {key: bytes(value) for key, value in cursor.fetchall()}


def _insert(place: Place, entries: Sequence[_Entry], at: datetime) -> None:
    if not entries:
        return
    if connection.vendor == "postgresql":
        copy_in("audit_activityevent", _COLUMNS, _texts(place, entries, at))
    else:
        _insert_many(place, entries, at)


def _texts(place: Place, entries: Sequence[_Entry], at: datetime) -> Iterator[tuple[str, ...]]:
    before = (place.organization_id.hex, place.environment, at.isoformat())
    for _, event, digest_ in entries:
        event_id, event_time, host, action_id, succeeded, *names = astuple(event)
        told = "t" if succeeded else "f"
        yield (
            *before,
            rf"\x{digest_.hex()}",
            event_id.hex,
            event_time.isoformat(),
            host,
            action_id,
            told,
            *names,
        )


def _insert_many(place: Place, entries: Sequence[_Entry], at: datetime) -> None:
    moment = connection.ops.adapt_datetimefield_value
    before = (place.organization_id.hex, place.environment, moment(at))
    rows = []
    for _, event, digest_ in entries:
        event_id, event_time, *rest = astuple(event)
        rows.append((*before, digest_, event_id.hex, moment(event_time), *rest))
    places = ", ".join(["%s"] * len(_COLUMNS))
    statement = f"INSERT INTO audit_activityevent ({', '.join(_COLUMNS)}) VALUES ({places})"  # noqa: S608  constants
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)
