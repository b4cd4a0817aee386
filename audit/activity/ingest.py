"""Store agents' batches. Each event is stored once and never overwritten; a batch is atomic.

Sending a batch again is safe: the primary key finds the event and the digest decides whether it is
a duplicate or a conflict.
"""

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

# An agent reports its own host, a forwarder several. Each new host costs a row and a trail entry.
MAX_HOSTS = 64
_ATTEMPTS = 5
_LOOKUP_SIZE = 500
_COLUMNS = ("organization_id", "environment", "received_at", "digest", *FIELDS)

_CONFLICT = Flaw(
    "conflicting_event",
    "event_id",
    "A different event with this id is already stored or appears earlier in this batch.",
)
_TOO_MANY_HOSTS = Flaw("too_many_hosts", "host", f"A batch names at most {MAX_HOSTS} hosts.")


class Contended(KeywayError):
    code = "unavailable"
    detail = "Another sender is storing the same events. Nothing was stored. Send the batch again."


@dataclass(frozen=True, slots=True)
class Partition:
    """The organization and environment that events belong to.

    Part of the primary key, so equal event ids in two partitions never collide.
    """

    organization_id: uuid.UUID
    environment: str


class Rejection(msgspec.Struct, frozen=True):
    """A refused event. `index` is its zero-based position in the batch."""

    index: int
    code: str
    field: str | None
    detail: str

    @classmethod
    def of(cls, index: int, flaw: Flaw) -> Self:
        return cls(index, flaw.code, flaw.field, flaw.detail)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a batch. `hosts` are those of the accepted and duplicate events."""

    accepted: int
    duplicate: int
    rejected: Sequence[Rejection]
    hosts: frozenset[str]

    @property
    def nothing_stored(self) -> bool:
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


def receive(*, partition: Partition, verdicts: Verdicts, at: datetime) -> Outcome:
    """Store the valid events of a batch in one transaction. Idempotent. Raises Contended."""
    rejected, entries = _check(verdicts, at)
    stored = _store(partition, entries, at)
    rejected += [Rejection.of(entry.number, _CONFLICT) for entry in stored.conflicting]
    return Outcome(
        accepted=len(stored.fresh),
        duplicate=len(stored.duplicate),
        rejected=sorted(rejected, key=lambda rejection: rejection.index),
        hosts=frozenset(entry.event.host for entry in stored.fresh + stored.duplicate),
    )


def _check(verdicts: Verdicts, at: datetime) -> tuple[list[Rejection], list[_Entry]]:
    rejected: list[Rejection] = []
    good: dict[int, Event] = {}
    hosts: set[str] = set()
    encoded = verdicts.encoded
    for index, verdict in enumerate(verdicts):
        outcome = (
            verdict
            if isinstance(verdict, Flaw)
            else _find_flaw(verdict, hosts, at) or in_utc(verdict)
        )
        # `encoded` covers the batch exactly as parsed. One refused event, or one converted to UTC,
        # makes it wrong for the digests, so encode again below.
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


def _find_flaw(event: Event, hosts: set[str], at: datetime) -> Flaw | None:
    """Check what parsing cannot: the time and the number of hosts. Adds the host to `hosts`."""
    if flaw := flaw_in_time(event, at):
        return flaw
    if event.host in hosts:
        return None
    if len(hosts) == MAX_HOSTS:
        return _TOO_MANY_HOSTS
    hosts.add(event.host)
    return None


def _store(partition: Partition, entries: Sequence[_Entry], at: datetime) -> _Sorted:
    # Nearly every batch is new, so the first attempt looks nothing up and lets the primary key
    # detect duplicates.
    known: dict[uuid.UUID, bytes] = {}
    for _ in range(_ATTEMPTS):
        try:
            # A savepoint inside the caller's transaction: without it, PostgreSQL would refuse every
            # statement after the IntegrityError, the retry included.
            with transaction.atomic():
                stored = _sort(entries, known)
                _insert(partition, stored.fresh, at)
                return stored
        except IntegrityError:
            # Some of these events are already stored, perhaps just now by a concurrent sender. Look
            # them up and try again with only the new ones.
            known = _lookup(partition, [entry.event.event_id for entry in entries])
    raise Contended()


def _sort(entries: Sequence[_Entry], known: dict[uuid.UUID, bytes]) -> _Sorted:
    """Compare each event with `known` and with the events before it in the batch."""
    result = _Sorted()
    for entry in entries:
        before = known.setdefault(entry.event.event_id, entry.digest)
        # Identity, not equality: the same object means that this entry was the first with its id.
        # An equal digest from the database or an earlier entry is another object.
        if before is entry.digest:
            result.fresh.append(entry)
        elif before == entry.digest:
            result.duplicate.append(entry)
        else:
            result.conflicting.append(entry)
    # Insert in one global order, by id. Two concurrent senders of the same events would otherwise
    # lock rows in different orders and deadlock.
    result.fresh.sort(key=lambda entry: entry.event.event_id.int)
    return result


def _lookup(partition: Partition, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, bytes]:
    if connection.vendor == "postgresql":
        return _lookup_in_array(partition, ids)
    rows = ActivityEvent.objects.filter(
        organization_id=partition.organization_id, environment=partition.environment
    )
    chunks = (ids[start : start + _LOOKUP_SIZE] for start in range(0, len(ids), _LOOKUP_SIZE))
    return {
        key: bytes(value)
        for chunk in chunks
        for key, value in rows.filter(event_id__in=chunk).values_list("event_id", "digest")
    }


def _lookup_in_array(partition: Partition, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, bytes]:
    """Pass the ids as one array parameter instead of thousands of parameters."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id, digest FROM audit_activityevent"
            " WHERE organization_id = %s AND environment = %s AND event_id = ANY(%s::uuid[])",
            [partition.organization_id, partition.environment, [id_.hex for id_ in ids]],
        )
        return {key: bytes(value) for key, value in cursor.fetchall()}


def _insert(partition: Partition, entries: Sequence[_Entry], at: datetime) -> None:
    if not entries:
        return
    # COPY is several times faster than INSERT. It cannot skip conflicts, so one duplicate fails the
    # statement and _store retries without it.
    if connection.vendor == "postgresql":
        copy_in("audit_activityevent", _COLUMNS, _copy_rows(partition, entries, at))
    else:
        _insert_many(partition, entries, at)


def _copy_rows(
    partition: Partition, entries: Sequence[_Entry], at: datetime
) -> Iterator[tuple[str, ...]]:
    # The order of the values must match _COLUMNS: COPY assigns them by position.
    before = (partition.organization_id.hex, partition.environment, at.isoformat())
    for _, event, digest_ in entries:
        event_id, event_time, host, action_id, succeeded, *names = astuple(event)
        succeeded_text = "t" if succeeded else "f"
        yield (
            *before,
            rf"\x{digest_.hex()}",
            event_id.hex,
            event_time.isoformat(),
            host,
            action_id,
            succeeded_text,
            *names,
        )


def _insert_many(partition: Partition, entries: Sequence[_Entry], at: datetime) -> None:
    moment = connection.ops.adapt_datetimefield_value
    before = (partition.organization_id.hex, partition.environment, moment(at))
    rows = []
    for _, event, digest_ in entries:
        event_id, event_time, *rest = astuple(event)
        rows.append((*before, digest_, event_id.hex, moment(event_time), *rest))
    markers = ", ".join(["%s"] * len(_COLUMNS))
    statement = f"INSERT INTO audit_activityevent ({', '.join(_COLUMNS)}) VALUES ({markers})"  # noqa: S608  constants
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)
