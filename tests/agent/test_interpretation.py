"""Events of logs that a real PostgreSQL 15 wrote (see tests/agent/logs.py)."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from keyway_agent.event import Event

from tests.agent.logs import BOTH, DURATIONS, STATEMENTS, Reader, events, put, summaries

Read = Callable[[Path], list[Event]]


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Read]:
    readers: dict[Path, Reader] = {}

    def read_afresh(sample: Path) -> list[Event]:
        reader = readers.setdefault(
            sample, Reader(put(tmp_path / sample.stem, sample), tmp_path / "state")
        )
        return events(reader.opens())

    yield read_afresh
    for reader in readers.values():
        reader.dies()


@pytest.mark.parametrize("sample", [STATEMENTS, DURATIONS, BOTH])
def test_statement_is_one_event_under_every_log_setting(read: Read, sample: Path) -> None:
    happened = summaries(read(sample))
    once = [
        ("CR", True, "create table t(a int, b text)"),
        ("IN", True, "insert into t values ($1,$2)"),
        ("SL", True, "select * from t where a=$1"),
        ("EX", True, "execute p(1)"),
        ("UP", True, "update t set b='ü☃' where a=1"),
        ("DL", True, "select 1; delete from t where a = 99"),
        ("G", True, "grant select on t to r"),
        ("R", True, "revoke all on public.t from r"),
        ("AUSC", True, "alter system set log_lock_waits=on"),
        ("DR", True, "drop table t"),
    ]
    texts = Counter(text for _, _, text in happened)
    assert {
        statement: (Counter(happened)[statement], texts[statement[2]]) for statement in once
    } == dict.fromkeys(once, (1, 1))


@pytest.mark.parametrize("sample", [STATEMENTS, DURATIONS, BOTH])
def test_failed_statement_is_one_event_with_its_reason(read: Read, sample: Path) -> None:
    happened = read(sample)
    failed = {str(event["statement"]): event for event in happened if not event["succeeded"]}
    assert "division by zero" in str(failed["select 1/0"]["additional_information"])
    assert "42501" in str(failed["select * from t"]["additional_information"])
    assert failed["select * from t"]["server_principal_name"] == "r"
    assert failed["select * from nope"]["object_name"] == "nope"
    assert failed["selec 1"]["action_id"] == "UNKNOWN"
    assert failed["set role keyway"]["action_id"] == "IMP"
    counts = Counter(statement for _, _, statement in summaries(happened))
    assert {counts[text] for text in failed if text and text != "select pg_sleep(10)"} == {1}


def test_late_failure_is_an_event_of_its_own(read: Read) -> None:
    late = [event for event in summaries(read(STATEMENTS)) if event[2] == "select pg_sleep(10)"]
    assert [succeeded for _, succeeded, _ in late] == [True, False]


@pytest.mark.parametrize("sample", [STATEMENTS, DURATIONS, BOTH])
def test_logins_logouts_and_refusals_are_events(read: Read, sample: Path) -> None:
    happened = read(sample)
    counts = Counter(event["action_id"] for event in happened)
    refused = [
        (event["server_principal_name"], event["database_name"])
        for event in happened
        if event["action_id"] == "LGIF"
    ]
    assert refused == [("nobodyhere", "keyway"), ("keyway", "nodb"), ("r", "keyway")]
    assert counts["LGIS"] == counts["LGO"] == 7
    assert counts["SVSR"] == counts["SVSD"] == 1


@pytest.mark.parametrize("sample", [STATEMENTS, DURATIONS, BOTH])
def test_raised_message_cannot_forge_an_event(read: Read, sample: Path) -> None:
    text = sample.read_text("utf-8", "replace")
    assert '"statement: DROP TABLE forged"' in text
    assert '"AUDIT: SESSION,1,1,DDL,DROP TABLE,TABLE,public.forged' in text
    forged = [event for event in read(sample) if "forged" in str(event)]
    assert [event["action_id"] for event in forged] == ["EX"]


@pytest.mark.parametrize("sample", [STATEMENTS, DURATIONS, BOTH])
def test_logged_password_is_not_sent(read: Read, sample: Path) -> None:
    assert "sekret" in sample.read_text("utf-8", "replace")
    assert "sekret" not in str(read(sample))


def test_bytes_of_another_encoding_are_replaced(read: Read) -> None:
    assert b"select '\xe9'" in STATEMENTS.read_bytes()
    assert ("SL", True, "select '\ufffd'") in summaries(read(STATEMENTS))


def test_parameters_and_duration_are_in_additional_information(read: Read) -> None:
    inserted = next(event for event in read(DURATIONS) if event["action_id"] == "IN")
    assert "it''s\\nmulti" in str(inserted["additional_information"])
    assert '"duration_ms": ' in str(inserted["additional_information"])


def test_local_time_is_converted_to_utc(read: Read) -> None:
    assert " CET," in BOTH.read_text("utf-8", "replace")
    assert {str(event["event_time"])[:13] for event in read(BOTH)} == {"2026-11-21T04"}


def test_prepared_statement_name_cannot_hide_the_statement(tmp_path: Path) -> None:
    log = put(tmp_path / "log", STATEMENTS) / STATEMENTS.name
    line = next(
        line
        for line in log.read_bytes().splitlines(keepends=True)
        if b"execute <unnamed>: insert" in line
    )
    harmless = line.replace(
        b"execute <unnamed>: insert into t values ($1,$2)",
        b"execute x: SELECT 1 --: INSERT INTO t VALUES (1)",
    )
    log.write_bytes(harmless.replace(b"it''s\n", b'",,,,,,,,"hand","client backend",,0\n'))
    (event,) = events(Reader(tmp_path / "log", tmp_path / "state").opens())
    assert event["action_id"] == "IN"
