"""Storing batches: each event is stored once and never overwritten; a batch is atomic."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection

from audit.activity import batch, ingest
from audit.activity.event import FIELDS
from audit.activity.ingest import MAX_HOSTS, Outcome, Partition
from audit.models import ActivityEvent
from config.lib.environment import Environment
from tests.audit.events import NOW, array, event, send

pytestmark = pytest.mark.django_db

ACME = Partition(uuid.uuid4(), Environment.LIVE)
ACME_TEST = Partition(ACME.organization_id, Environment.TEST)
GLOBEX = Partition(uuid.uuid4(), Environment.LIVE)


def stored(partition: Partition) -> list[dict[str, Any]]:
    rows = ActivityEvent.objects.filter(
        organization_id=partition.organization_id, environment=partition.environment
    )
    return [dict(row) for row in rows.order_by("event_id").values()]


def summary(outcome: Outcome) -> tuple[int, int, list[tuple[int, str, str | None]]]:
    return (
        outcome.accepted,
        outcome.duplicate,
        [(r.index, r.code, r.field) for r in outcome.rejected],
    )


def test_every_field_is_stored_as_sent() -> None:
    facts = {
        name: f'{name} ä\U0001f511\t\r\n\\.\\N"\x1f'
        for name in FIELDS[2:]
        if name not in ("succeeded", "action_id")
    }
    facts |= {"action_id": "SL\\", "client_ip": "2001:db8::1", "session_id": "\\N"}
    raw = event(**facts, succeeded=False, event_time="2025-11-21T13:29:00.000001+01:30")
    assert summary(send(ACME, [raw])) == (1, 0, [])
    row = ActivityEvent.objects.get()
    assert {name: getattr(row, name) for name in FIELDS[2:]} == {
        name: raw[name] for name in FIELDS[2:]
    }
    assert str(row.event_id) == raw["event_id"]
    assert row.event_time == datetime(2025, 11, 21, 11, 59, 0, 1, tzinfo=UTC)
    assert row.received_at == NOW
    assert (row.organization_id, row.environment) == (ACME.organization_id, "live")


def test_rows_are_found_by_their_event_time() -> None:
    send(
        ACME,
        [
            event(event_time=f"2025-11-21T11:00:00{fraction}Z")
            for fraction in ("", ".000001", ".5", ".999999")
        ],
    )
    start = datetime(2025, 11, 21, 11, tzinfo=UTC)
    for microseconds, count in [
        (0, 4),
        (1, 3),
        (2, 2),
        (500_000, 2),
        (500_001, 1),
        (999_999, 1),
        (1_000_000, 0),
    ]:
        assert (
            ActivityEvent.objects.filter(
                event_time__gte=start + timedelta(microseconds=microseconds)
            ).count()
            == count
        )


def test_resending_changes_nothing() -> None:
    events = [event() for _ in range(20)]
    assert summary(send(ACME, events)) == (20, 0, [])
    before = stored(ACME)
    assert summary(send(ACME, random.sample(events, 20), at=NOW + timedelta(hours=1))) == (
        0,
        20,
        [],
    )
    assert summary(send(ACME, [*events, event()])) == (1, 20, [])
    assert [row for row in stored(ACME) if row in before] == before


def test_conflicting_event_is_rejected_not_overwritten() -> None:
    first = event(statement="SELECT 1")
    send(ACME, [first])
    before = stored(ACME)
    outcome = send(ACME, [event(), first | {"statement": "SELECT 2"}, first])
    assert summary(outcome) == (1, 1, [(1, "conflicting_event", "event_id")])
    assert [row for row in stored(ACME) if str(row["event_id"]) == first["event_id"]] == before


def test_duplicates_and_conflicts_within_a_batch() -> None:
    one = event(statement="SELECT 1")
    other = one | {"statement": "SELECT 2"}
    assert summary(send(ACME, [one, one, other, one])) == (
        1,
        2,
        [(2, "conflicting_event", "event_id")],
    )
    assert [row["statement"] for row in stored(ACME)] == ["SELECT 1"]
    # A stored event wins over one that comes first in the batch.
    assert summary(send(ACME, [other, one, other])) == (
        0,
        1,
        [(0, "conflicting_event", "event_id"), (2, "conflicting_event", "event_id")],
    )


def test_partitions_are_independent() -> None:
    same = event(statement="SELECT 1")
    for partition, statement in [(ACME, "SELECT 1"), (ACME_TEST, "SELECT 2"), (GLOBEX, "SELECT 3")]:
        assert summary(send(partition, [same | {"statement": statement}])) == (1, 0, [])
    for partition, statement in [(ACME, "SELECT 1"), (ACME_TEST, "SELECT 2"), (GLOBEX, "SELECT 3")]:
        assert summary(send(partition, [same | {"statement": statement}])) == (0, 1, [])
        assert [row["statement"] for row in stored(partition)] == [statement]


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ("2025-11-21T12:05:00Z", None),
        ("2025-11-21T12:05:00.000001Z", "time_in_future"),
        ("2025-11-21T13:05:00.000000+01:00", None),
        ("2025-11-21T12:05:01+00:00", "time_in_future"),
        ("9999-12-31T23:59:59-14:00", "time_in_future"),
        ("1900-01-01T00:00:00Z", None),
        ("1900-01-01T00:00:00+00:01", "time_too_early"),
        ("0001-01-01T00:00:00+14:00", "time_too_early"),
    ],
)
def test_event_times_are_checked_against_our_clock(time: str, code: str | None) -> None:
    outcome = send(ACME, [event(), event(event_time=time)])
    assert summary(outcome) == ((2, 0, []) if code is None else (1, 0, [(1, code, "event_time")]))


def test_digest_ignores_zone_and_other_events() -> None:
    one, other = (
        event(event_time="2025-11-21T12:00:00+01:00"),
        event(event_time="2025-11-21T11:00:00Z"),
    )
    assert summary(send(ACME, [one, other])) == (2, 0, [])
    assert summary(send(ACME, [one | {"event_time": "2025-11-21T11:00:00Z"}, other])) == (0, 2, [])
    early, good = event(event_time="1899-12-31T23:59:59Z"), event()
    assert summary(send(ACME, [early, good])) == (1, 0, [(0, "time_too_early", "event_time")])
    assert summary(send(ACME, [good])) == (0, 1, [])
    assert summary(send(ACME, [good | {"host": "other"}])) == (
        0,
        0,
        [(0, "conflicting_event", "event_id")],
    )


def test_rejections_keep_the_batch_order() -> None:
    known = event()
    send(ACME, [known])
    outcome = send(
        ACME,
        [
            event(color=1),
            known | {"host": "other"},
            event(),
            event(event_time="2030-01-01T00:00:00Z"),
            7,
        ],
    )
    assert summary(outcome) == (
        1, 0, [(0, "unknown_field", "color"), (1, "conflicting_event", "event_id"),
               (3, "time_in_future", "event_time"), (4, "not_an_object", None)],
    )  # fmt: skip
    assert not outcome.nothing_stored


def test_entirely_invalid_batch_stores_nothing() -> None:
    outcome = send(ACME, [event(color=1), event(event_id="x")])
    assert outcome.nothing_stored
    assert outcome.hosts == frozenset()
    assert stored(ACME) == []


def test_hosts_are_those_of_stored_events() -> None:
    known, conflicting = event(host="known"), event(host="conflicting")
    send(ACME, [known, conflicting])
    outcome = send(
        ACME,
        [event(host="new"), known, conflicting | {"host": "another"}, event(host="bad", color=1)],
    )
    assert outcome.hosts == {"new", "known"}


def test_batch_has_a_host_limit() -> None:
    events = [event(host=f"sql-{number}") for number in range(MAX_HOSTS + 1)] + [
        event(host="sql-0")
    ]
    assert summary(send(ACME, events)) == (
        MAX_HOSTS + 1,
        0,
        [(MAX_HOSTS, "too_many_hosts", "host")],
    )


def test_row_refused_by_the_database_stores_nothing() -> None:
    nowhere = Partition(ACME.organization_id, "none")  # activity_environment_is_known
    with pytest.raises((ingest.Contended, DatabaseError)):
        send(nowhere, [event() for _ in range(3)])
    assert ActivityEvent.objects.count() == 0


@pytest.mark.parametrize("count", [1, 499, 500, 501, 10_000])
def test_resent_batches_of_any_size_are_duplicates(count: int) -> None:
    verdicts = batch.read_array(array(event() for _ in range(count)))
    assert summary(ingest.receive(partition=ACME, verdicts=verdicts, at=NOW)) == (count, 0, [])
    assert summary(ingest.receive(partition=ACME, verdicts=verdicts, at=NOW)) == (0, count, [])
    assert ActivityEvent.objects.count() == count


def test_statement_count_is_constant(
    django_assert_num_queries: Any,
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite takes a bounded number of parameters a statement")
    verdicts = batch.read_array(array(event() for _ in range(2000)))
    with django_assert_num_queries(3):  # savepoint, COPY, release
        ingest.receive(partition=ACME, verdicts=verdicts, at=NOW)
    # Savepoint, COPY, rollback and release; lookup; savepoint and release with nothing to store.
    with django_assert_num_queries(7):
        ingest.receive(partition=ACME, verdicts=verdicts, at=NOW)
