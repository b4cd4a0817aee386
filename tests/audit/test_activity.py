"""Paging and filtering: each event appears exactly once, even while new events arrive."""

import random
import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from audit.activity import queries
from audit.activity.ingest import Partition
from audit.activity.queries import ActivityFilter, ActivityPage, InvalidCursor, QueryTooBroad
from config.lib.environment import Environment
from tests.audit.events import NOW, event, send

pytestmark = pytest.mark.django_db

ACME = Partition(uuid.uuid4(), Environment.LIVE)
ACME_TEST = Partition(ACME.organization_id, Environment.TEST)
GLOBEX = Partition(uuid.uuid4(), Environment.LIVE)
ANY = ActivityFilter()


def page(partition: Partition = ACME, wanted: ActivityFilter = ANY, **options: Any) -> ActivityPage:
    return queries.page(partition.organization_id, partition.environment, wanted, **options)


def ids(events: Iterable[Any]) -> list[str]:
    return [str(one.event_id) if hasattr(one, "event_id") else one["event_id"] for one in events]


def at(second: int, **facts: Any) -> dict[str, Any]:
    return event(event_time=f"2025-11-21T11:00:{second:02d}Z", **facts)


def newest_first(events: Iterable[dict[str, Any]]) -> list[str]:
    return ids(sorted(events, key=lambda one: (one["event_time"], one["event_id"]), reverse=True))


def test_pages_are_newest_first_and_end() -> None:
    events = [at(second // 3) for second in range(25)]  # three per second, so ids decide the order
    send(ACME, events)
    seen: list[str] = []
    sizes: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        found = page(limit=10, cursor=cursor)
        seen += ids(found.events)
        sizes.append(len(found.events))
        cursor = found.next_cursor
    assert sizes == [10, 10, 5]
    assert seen == newest_first(events)


def test_last_page_has_no_next_cursor() -> None:
    send(ACME, [at(second) for second in range(4)])
    assert page(limit=4).next_cursor is None
    assert page(limit=3).next_cursor is not None


def test_paging_returns_each_event_once_during_inserts() -> None:
    events = [at(chance) for chance in random.sample(range(60), 40)]
    send(ACME, events)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        found = page(limit=7, cursor=cursor)
        seen += ids(found.events)
        cursor = found.next_cursor
        send(ACME, [at(random.randrange(60)) for _ in range(5)])
    assert len(seen) == len(set(seen))
    assert [one for one in seen if one in ids(events)] == newest_first(events)


def test_previous_cursor_leads_to_the_newest() -> None:
    events = [at(second) for second in range(25)]
    send(ACME, events)
    first = page(limit=10)
    second = page(limit=10, cursor=first.next_cursor or "")
    third = page(limit=10, cursor=second.next_cursor or "")
    assert first.previous_cursor is None
    back = page(limit=10, cursor=third.previous_cursor or "")
    assert ids(back.events) == ids(second.events)
    assert ids(page(limit=10, cursor=back.next_cursor or "").events) == ids(third.events)
    send(ACME, [at(40)])
    top = page(limit=10, cursor=back.previous_cursor or "")
    assert ids(top.events) == ids(first.events)
    assert top.previous_cursor is not None


def test_first_page_is_full_when_going_back() -> None:
    send(ACME, [at(second) for second in range(12)])
    second = page(limit=10, cursor=page(limit=10).next_cursor or "")
    send(ACME, [at(30)])
    third = page(limit=20, cursor=second.previous_cursor or "")
    assert len(third.events) == 13
    assert third.previous_cursor is None


def test_partitions_see_only_their_own_events() -> None:
    events_of = {
        partition: [at(second) for second in range(3)] for partition in (ACME, ACME_TEST, GLOBEX)
    }
    for partition, events in events_of.items():
        send(partition, events)
    for partition, events in events_of.items():
        assert ids(page(partition).events) == newest_first(events)
        for one in events:
            event_id = uuid.UUID(one["event_id"])
            found = [
                other
                for other in events_of
                if queries.find(other.organization_id, other.environment, event_id)
            ]
            assert found == [partition]


FACTS = {
    "server_principal_name": "CORP\\alice", "action_id": "SL", "action_name": "SELECT",
    "database_name": "Sales",
    "object_name": "Orders", "client_ip": "10.0.0.7", "statement": "SELECT 100% of_it -- \\ 'ä'",
    "database_principal_name": "dbo", "additional_information": "<session/>",
}  # fmt: skip


@pytest.mark.parametrize(
    ("matching", "missing"),
    [
        ({"actor": "CORP\\alice"}, {"actor": "CORP\\alic"}),
        ({"action": "SL"}, {"action": "S"}),
        ({"action": "SELECT"}, {"action": "select"}),
        ({"database": "Sales"}, {"database": "sale"}),
        ({"object": "Orders"}, {"object": "%"}),
        ({"client_ip": "10.0.0.7"}, {"client_ip": "10.0.0.70"}),
        ({"success": True}, {"success": False}),
        (
            {"since": datetime(2025, 11, 21, 11, 0, 5, tzinfo=UTC)},
            {"since": datetime(2025, 11, 21, 11, 0, 5, 1, tzinfo=UTC)},
        ),
        (
            {"until": datetime(2025, 11, 21, 11, 0, 5, 1, tzinfo=UTC)},
            {"until": datetime(2025, 11, 21, 11, 0, 5, tzinfo=UTC)},
        ),
        ({"q": "select 100% OF_IT"}, {"q": "100%it"}),
        ({"q": "\\"}, {"q": "\\\\"}),
        ({"q": "%"}, {"q": "%%"}),
        ({"q": "f_i"}, {"q": "o__t"}),
        ({"q": "orders"}, {"q": "order_"}),
        ({"q": "corp\\AL"}, {"q": "corp/al"}),
        ({"q": "dbo"}, {"q": "sales"}),
        ({"q": "<session"}, {"q": "<session>"}),
        (
            {"q": "SELECT", "actor": "CORP\\alice", "success": True},
            {"q": "SELECT", "actor": "CORP\\bob", "success": True},
        ),
    ],
)
def test_each_filter_finds_exactly_the_matches(
    matching: dict[str, Any], missing: dict[str, Any]
) -> None:
    wanted = at(5, **FACTS)
    send(ACME, [wanted])
    send(GLOBEX, [wanted])
    assert ids(page(wanted=ActivityFilter(**matching)).events) == [wanted["event_id"]]
    assert ids(page(wanted=ActivityFilter(**missing)).events) == []


def test_empty_filter_matches_everything() -> None:
    send(ACME, [at(1), at(2, **FACTS)])
    assert len(page(wanted=ActivityFilter(actor="", q="", success=None)).events) == 2


OTHERS = [
    {"since": datetime(2025, 1, 1, tzinfo=UTC)}, {"until": datetime(2026, 1, 1, tzinfo=UTC)},
    {"actor": "x"}, {"action": "x"},
    {"database": "x"}, {"object": "x"}, {"success": True}, {"success": False}, {"client_ip": "x"},
    {"q": "x"},
]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS)
def test_cursor_is_bound_to_its_filter(other: dict[str, Any]) -> None:
    send(ACME, [at(second) for second in range(5)])
    cursor = page(limit=2).next_cursor or ""
    assert page(limit=2, cursor=cursor).events
    with pytest.raises(InvalidCursor):
        page(limit=2, cursor=cursor, wanted=replace(ANY, **other))


def test_filter_in_another_zone_is_the_same() -> None:
    send(ACME, [at(second) for second in range(5)])
    utc = datetime(2025, 11, 21, 11, tzinfo=UTC)
    cursor = page(limit=2, wanted=ActivityFilter(since=utc)).next_cursor or ""
    there = utc.astimezone(datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo)
    assert len(page(limit=2, cursor=cursor, wanted=ActivityFilter(since=there)).events) == 2


def test_cursor_is_bound_to_its_partition() -> None:
    events = [at(second) for second in range(5)]
    for partition in (ACME, ACME_TEST, GLOBEX):
        send(partition, events)
    cursor = page(ACME, limit=2).next_cursor or ""
    assert page(ACME, limit=2, cursor=cursor).events
    for partition in (ACME_TEST, GLOBEX):
        with pytest.raises(InvalidCursor):
            page(partition, limit=2, cursor=cursor)


def test_tampered_cursor_is_refused() -> None:
    send(ACME, [at(second) for second in range(5)])
    cursor = page(limit=2).next_cursor or ""
    assert page(limit=2, cursor=cursor).events
    changed = {
        cursor[:i] + ("A" if c != "A" else "B") + cursor[i + 1 :] for i, c in enumerate(cursor)
    }
    for text in [
        *changed,
        cursor[:-1],
        cursor + "A",
        "x",
        ":",
        "older.0.0:",
        "\0",
        "é",
        "\ud800",
        cursor * 2,
    ]:
        with pytest.raises(InvalidCursor):
            page(limit=2, cursor=text)


def test_cursor_survives_a_secret_key_in_fallbacks() -> None:
    send(ACME, [at(second) for second in range(5)])
    with override_settings(SECRET_KEY="x" * 50, SECRET_KEY_FALLBACKS=[]):
        cursor = page(limit=2).next_cursor or ""
    with override_settings(SECRET_KEY="y" * 50, SECRET_KEY_FALLBACKS=["x" * 50]):
        assert page(limit=2, cursor=cursor).events
    with (
        override_settings(SECRET_KEY="y" * 50, SECRET_KEY_FALLBACKS=[]),
        pytest.raises(InvalidCursor),
    ):
        page(limit=2, cursor=cursor)


def test_page_of_long_statements_ends_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queries, "PAGE_CHARACTERS", 250)
    events = [at(second, statement="x" * 100) for second in range(7)]
    send(ACME, events)
    seen: list[str] = []
    sizes: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        found = page(limit=1000, cursor=cursor)
        seen += ids(found.events)
        sizes.append(len(found.events))
        cursor = found.next_cursor
    assert sizes == [3, 3, 1]
    assert seen == newest_first(events)


def test_slow_page_ends_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queries, "PART", 3)
    events = [at(second) for second in range(8)]
    send(ACME, events)
    assert ids(page(limit=7).events) == newest_first(events)[:7]
    monkeypatch.setattr(queries, "PAGE_SECONDS", -1)
    first = page(limit=7)
    assert ids(first.events) == newest_first(events)[:3]
    assert ids(page(limit=7, cursor=first.next_cursor or "").events) == newest_first(events)[3:6]


@pytest.mark.parametrize("part", [1, 2, 3, 10, 24, 25, 26])
def test_page_does_not_depend_on_the_part_size(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PART", part)
    events = [at(second // 3) for second in range(25)]
    send(ACME, events)
    for limit in (1, 3, 10, 24, 25, 26):
        first = page(limit=limit)
        assert ids(first.events) == newest_first(events)[:limit]
        assert (first.next_cursor is None) == (limit >= 25)
    second = page(limit=10, cursor=page(limit=10).next_cursor or "")
    third = page(limit=10, cursor=second.next_cursor or "")
    assert ids(page(limit=10, cursor=third.previous_cursor or "").events) == ids(second.events)


def test_page_takes_one_statement(django_assert_num_queries: Any) -> None:
    send(ACME, [at(second) for second in range(50)])
    cursor = page(limit=10).next_cursor or ""
    with django_assert_num_queries(1):  # reads the page and one event more
        page(limit=10, cursor=cursor)


def test_row_has_every_public_field() -> None:
    raw = at(5, **FACTS)
    send(ACME, [raw])
    [row] = [queries.row(one) for one in page().events]
    assert tuple(row) == queries.FIELDS
    assert row["event_time"] == "2025-11-21T11:00:05.000000Z"
    assert (
        row["received_at"]
        == "2025-11-21T12:00:00.000000Z"
        == NOW.isoformat(timespec="microseconds").replace("+00:00", "Z")
    )
    assert row["id"].startswith("evt_")
    others = {name: row[name] for name in raw if name != "event_time"}
    assert others == {name: value for name, value in raw.items() if name != "event_time"}


# Outside a transaction, as requests are. A server-side cursor WITH HOLD would fail here.
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite has no time limit for statements"
)
def test_slow_search_is_too_broad() -> None:
    send(ACME, [at(second % 60, statement="x" * 60_000) for second in range(60)])
    wanted = ActivityFilter(q="no such text")
    assert page(wanted=wanted).events == []
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 1")
        try:
            with pytest.raises(QueryTooBroad):
                page(wanted=wanted)
        finally:
            cursor.execute("RESET statement_timeout")


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="asks PostgreSQL for its plan")
def test_page_starts_in_the_index_at_the_cursor() -> None:
    for second in range(50):
        send(ACME, [at(second) for _ in range(40)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE audit_activityevent")
    position = page(limit=10, cursor=page(limit=900).next_cursor or "").events[0]
    after = queries.matching(ACME.organization_id, "live", ANY).filter(
        event_time__lte=position.event_time
    )
    plan = after[:10].explain()
    assert "activity_newest_first" in plan
    assert "Sort" not in plan
