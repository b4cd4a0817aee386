import dataclasses
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyway_agent import actions
from keyway_agent.draft import Draft, Phase
from keyway_agent.event import TEXT_LIMIT, build, event_id
from keyway_agent.record import Record, Span

AT = datetime(2026, 11, 21, 4, 7, 34, 164_000, tzinfo=UTC)


EMPTY = {field.name: "" for field in dataclasses.fields(Record)}


def record(**facts: object) -> Record:
    return Record(**(EMPTY | {"span": Span("f", 0, 1), "logged_at": AT, "cut": False} | facts))  # type: ignore[arg-type]


def draft(text: str = "", **facts: object) -> Draft:
    return Draft(record(**facts), Phase.FINISHED, actions.SELECT, statement=text, text=text)


def test_event_id_is_a_uuid8_starting_with_milliseconds() -> None:
    made = event_id(AT, "host", "session", "1")
    assert made.version == 8
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == int(AT.timestamp() * 1000)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.integers(1, 10**9),
    st.text(),
    st.text(),
)
def test_event_ids_sort_by_time(at: datetime, later_by: int, one: str, other: str) -> None:
    at = at.replace(tzinfo=UTC)
    assert event_id(at, one) < event_id(at + timedelta(milliseconds=later_by), other)


def test_event_id_depends_on_every_part_and_its_length() -> None:
    ids = {
        event_id(AT, *parts)
        for parts in [("ab", "c"), ("a", "bc"), ("abc",), ("ab", "c", ""), ("ab", "d")]
    }
    assert len(ids) == 5
    assert event_id(AT, "ab", "c") in ids


def test_long_statement_is_cut_and_marked() -> None:
    event = build(draft("x" * (TEXT_LIMIT + 7)), host="h", instance="i")
    assert event["statement"] == "x" * TEXT_LIMIT
    assert json.loads(str(event["additional_information"])) == {
        "cut": True,
        "characters_logged": TEXT_LIMIT + 7,
    }
    assert build(draft("x" * TEXT_LIMIT), host="h", instance="i")["additional_information"] == ""


@pytest.mark.parametrize("character", ["x", "\x01", "\n", "ü", '"'])
def test_additional_information_is_valid_json_within_its_limit(character: str) -> None:
    made = draft()
    made.notes = dict.fromkeys(
        ("error", "detail", "message", "parameters", "rows"), character * 50_000
    )
    text = str(build(made, host="h", instance="i")["additional_information"])
    assert len(text) <= TEXT_LIMIT
    assert json.loads(text).keys() == made.notes.keys()


@pytest.mark.parametrize(
    ("peer", "address", "name"),
    [
        ("127.0.0.1:46586", "127.0.0.1", ""),
        ("::1:5432", "::1", ""),
        ("2001:db8::7:5432", "2001:db8::7", ""),
        ("[local]", "local machine", ""),
        ("app01.example:46586", "", "app01.example"),
        ("", "", ""),
    ],
)
def test_client_is_an_address_or_a_name(peer: str, address: str, name: str) -> None:
    event = build(draft(peer=peer), host="h", instance="i")
    assert (event["client_ip"], event["host_name"]) == (address, name)


def test_names_are_cut_to_the_servers_limits() -> None:
    event = build(
        draft(user="u" * 300, application="a" * 300, session="s" * 300, peer="n" * 300 + ":1"),
        host="h",
        instance="i",
    )
    assert {
        len(str(event[field]))
        for field in ("server_principal_name", "application_name", "host_name")
    } == {256}
    assert len(str(event["session_id"])) == 64
