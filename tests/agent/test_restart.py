"""After a kill at any moment, the agent sends exactly the same events, ids and bodies included."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from keyway_agent import outcomes, tail
from keyway_agent.event import Event

from tests.agent.logs import (
    BOTH,
    DURATIONS,
    STATEMENTS,
    Reader,
    entries,
    events,
    put,
    row,
    summaries,
)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path / "log", tmp_path / "state")
    yield reader
    reader.dies()


@pytest.mark.parametrize("sample", [STATEMENTS, DURATIONS, BOTH])
def test_restart_after_any_delivery_repeats_the_same_events(tmp_path: Path, sample: Path) -> None:
    logs = put(tmp_path / "log", sample)
    whole = Reader(logs, tmp_path / "whole")
    expected = events(whole.opens())
    whole.dies()
    for cut in range(1, len(expected) + 5):
        reader = Reader(logs, tmp_path / f"state{cut}")
        source = reader.opens()
        first = entries(source)[:cut]
        source.delivered(first)
        sent = [entry.event for entry in first if entry.event] + events(reader.opens())
        reader.dies()
        assert sent == expected, f"killed after {cut}"


@pytest.mark.parametrize("step", [1, 7])
def test_restarts_between_deliveries_send_each_event_once(reader: Reader, step: int) -> None:
    put(reader.logs, BOTH)
    expected = events(reader.opens())
    sent: list[Event] = []
    while some := entries(source := reader.opens())[:step]:
        source.delivered(some)
        sent += [entry.event for entry in some if entry.event]
    assert sent == expected


def test_undelivered_events_are_read_again(reader: Reader) -> None:
    put(reader.logs, STATEMENTS)
    expected = events(reader.opens())
    assert events(reader.opens()) == expected


def test_statement_is_held_for_its_failure_then_released(reader: Reader) -> None:
    """While a session is idle, nothing shows whether its last statement succeeded."""
    log = put(reader.logs, STATEMENTS) / STATEMENTS.name
    lines = log.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b"statement: select 1/0" in line)
    log.write_bytes(b"".join(lines[: at + 1]))
    logged_at = datetime(2026, 11, 21, 4, 42, 45, 914_000, tzinfo=UTC)
    reader.now = logged_at + timedelta(seconds=2)
    source = reader.opens()
    assert "select 1/0" not in [event["statement"] for event in events(source)]
    reader.now = logged_at + timedelta(seconds=3.1)
    assert [(event["statement"], event["succeeded"]) for event in events(source)] == [
        ("select 1/0", True)
    ]


def test_prompt_failure_joins_its_statement(reader: Reader) -> None:
    log = put(reader.logs, STATEMENTS) / STATEMENTS.name
    lines = log.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b"statement: select 1/0" in line)
    log.write_bytes(b"".join(lines[: at + 1]))
    reader.now = datetime(2026, 11, 21, 4, 42, 46, tzinfo=UTC)
    source = reader.opens()
    events(source)
    with log.open("ab") as file:
        file.write(lines[at + 1])
    assert [(event["statement"], event["succeeded"]) for event in events(source)] == [
        ("select 1/0", False)
    ]


def test_joined_failure_is_not_sent_again_after_a_restart(reader: Reader, tmp_path: Path) -> None:
    """The failure was sent with its statement. Resuming between the two must not send it again."""
    put(reader.logs, STATEMENTS)
    source = reader.opens()
    everything = entries(source)
    at = next(
        i
        for i, entry in enumerate(everything)
        if entry.event and entry.event["statement"] == "select 1/0"
    )
    source.delivered(everything[: at + 1])
    assert '"joined": [[' in (tmp_path / "state" / "cursor.json").read_text()
    again = entries(source := reader.opens())
    assert "select 1/0" not in [entry.event["statement"] for entry in again if entry.event]
    source.delivered(again)
    assert '"joined": []' in (tmp_path / "state" / "cursor.json").read_text()


@pytest.mark.parametrize("sample", [STATEMENTS, DURATIONS, BOTH])
@pytest.mark.parametrize("chunk", [100, 1000])
def test_events_of_an_old_log_do_not_depend_on_chunk_size(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, sample: Path, chunk: int
) -> None:
    """By the clock every statement is settled, yet its failure may be in the next chunk."""
    put(reader.logs, sample)
    expected = events(reader.opens())
    monkeypatch.setattr(tail, "_CHUNK", chunk)
    assert events(reader.opens()) == expected


def joined(reader: Reader, *rows: bytes) -> list[tuple[str, bool, str]]:
    reader.logs.mkdir()
    (reader.logs / "a.csv").write_bytes(b"".join(rows))
    return summaries(events(reader.opens()))


def test_bind_failure_does_not_join_the_previous_execution(reader: Reader) -> None:
    """A client executes a prepared statement twice. The second time, its parameters are invalid."""
    happened = joined(
        reader,
        row(1, "execute s: select $1::int"),
        row(1, "invalid input syntax", log="ERROR", tag="BIND", query="select $1::int"),
    )
    assert happened == [("SL", True, "select $1::int"), ("SL", False, "select $1::int")]


@pytest.mark.parametrize(
    ("transaction", "expected"),
    [
        ("3/4", [("SL", False, "select 1/0")]),
        ("3/5", [("SL", True, "select 1/0"), ("SL", False, "")]),
    ],
)
def test_failure_without_text_joins_by_transaction(
    reader: Reader, transaction: str, expected: list[tuple[str, bool, str]]
) -> None:
    """With log_min_error_statement = panic, errors are logged without their statement."""
    failure = row(1, "division by zero", log="ERROR", transaction=transaction)
    assert joined(reader, row(1, "statement: select 1/0"), failure) == expected


def test_failure_joins_the_sessions_last_equal_statement(reader: Reader) -> None:
    select = "statement: select 1/(a-1) from t"
    happened = joined(
        reader,
        row(1, select),
        row(1, select, session="6b01.2"),
        row(1, select),
        row(1, "division by zero", log="ERROR", query=select.removeprefix("statement: ")),
        row(1, "statement: select 2", session="6b01.2"),
    )
    assert [succeeded for _, succeeded, _ in happened] == [True, True, False, True]


def test_flood_of_open_statements_is_released_early(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "HELD_BYTES", 2000)
    reader.logs.mkdir()
    (reader.logs / "a.csv").write_bytes(
        b"".join(row(1, f"statement: select {n}", session=f"6b01.{n:x}") for n in range(50))
    )
    source = reader.opens()
    assert 30 < len(source.read()) < 50
