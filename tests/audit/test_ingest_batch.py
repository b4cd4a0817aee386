"""Reading batches: both paths agree, and every flaw is named."""

import json
import uuid
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.activity import batch
from audit.activity.batch import BatchTooLarge, MalformedBatch, read_array, read_lines
from audit.activity.event import FIELDS, Event, digests, encode, in_utc
from audit.models import ActivityEvent
from config.lib import strict_json
from config.lib.strict_json import Flaw, Pairs
from tests.audit.events import array, event, flaws, lines

WHOLE = {
    **event(
        action_name="SELECT", server_principal_name="CORP\\alice", database_principal_name="dbo"
    ),
    "server_instance_name": "SQL01\\PROD",
    "database_name": "Sales",
    "schema_name": "dbo",
    "object_name": "Orders",
    "application_name": "SSMS",
    "host_name": "WS-17",
    "client_ip": "10.0.0.7",
    "session_id": "53",
    "statement": 'SELECT "a:b" FROM x -- \\":',
    "additional_information": "<action_info/>",
}


def one(text: str) -> bytes:
    """Return an array with one valid event that has `text` as its last member."""
    return (
        b"[" + json.dumps(event())[:-1].encode() + f", {text}}}]".encode("utf-8", "surrogatepass")
    )


def test_complete_event_is_read() -> None:
    [read] = read_array(array([WHOLE]))
    assert set(WHOLE) == set(FIELDS)
    assert msgspec.to_builtins(read) == WHOLE


def test_optional_fields_default_to_empty() -> None:
    [read] = read_array(array([event()]))
    assert isinstance(read, Event)
    assert {getattr(read, name) for name in FIELDS[5:]} == {""}


NOT_TEXT = ("event_id", "event_time", "succeeded")
LIMITS = dict.fromkeys([name for name in FIELDS if name not in NOT_TEXT], 256) | {
    "statement": 65_536,
    "additional_information": 65_536,
    "action_id": 16,
    "action_name": 128,
    "client_ip": 64,
    "session_id": 64,
}


@pytest.mark.parametrize(("name", "limit"), LIMITS.items())
def test_text_field_has_an_exact_limit(name: str, limit: int) -> None:
    assert flaws(array([event(**{name: "x" * limit})])) == []
    assert flaws(array([event(**{name: "x" * (limit + 1)})])) == [(0, "invalid_field", name)]


@pytest.mark.parametrize(
    ("name", "value", "parsed"),
    [
        ("event_id", str(uuid.UUID(int=7)), uuid.UUID(int=7)),
        (
            "event_time",
            "2025-11-21T12:59:00+01:00",
            datetime.fromisoformat("2025-11-21T11:59:00+00:00"),
        ),
        ("succeeded", False, False),
    ],
)
def test_other_field_has_a_type_of_its_own(name: str, value: Any, parsed: Any) -> None:
    [read] = read_array(array([event(**{name: value})]))
    assert (type(getattr(read, name)), getattr(read, name)) == (type(parsed), parsed)
    assert flaws(array([event(**{name: "x" * 16})])) == [(0, "invalid_field", name)]


def test_every_field_is_text_or_has_another_type() -> None:
    assert len(LIMITS) == len(FIELDS) - len(NOT_TEXT) == 15


def test_event_limits_match_the_columns() -> None:
    components = msgspec.json.schema_components([Event])[1]["Event"]["properties"]
    for name in FIELDS:
        limit = getattr(ActivityEvent._meta.get_field(name), "max_length", None)
        assert limit is None or components[name].get("maxLength", limit) == limit, name


@pytest.mark.parametrize("name", FIELDS[:5])
def test_missing_field_is_named(name: str) -> None:
    assert flaws(array([event(), {k: v for k, v in event().items() if k != name}])) == [
        (1, "missing_field", name)
    ]


@pytest.mark.parametrize(
    ("facts", "code", "field"),
    [
        ({"color": "red"}, "unknown_field", "color"),
        ({"<script>": "red"}, "unknown_field", None),
        ({"statement": None}, "invalid_field", "statement"),
        ({"statement": 1}, "invalid_field", "statement"),
        ({"statement": 1e400}, "invalid_field", "statement"),
        ({"statement": 10**4000}, "invalid_field", "statement"),
        ({"statement": ["SELECT"]}, "invalid_field", "statement"),
        ({"statement": {"text": "SELECT"}}, "invalid_field", "statement"),
        ({"succeeded": "true"}, "invalid_field", "succeeded"),
        ({"succeeded": 1}, "invalid_field", "succeeded"),
        ({"event_id": "4"}, "invalid_field", "event_id"),
        ({"event_id": f"{{{uuid.uuid4()}}}"}, "invalid_field", "event_id"),
        ({"event_time": "2025-11-21T11:59:00"}, "invalid_field", "event_time"),
        ({"event_time": "2025-11-21"}, "invalid_field", "event_time"),
        ({"event_time": "2026-02-30T00:00:00Z"}, "invalid_field", "event_time"),
        ({"event_time": 1763726340}, "invalid_field", "event_time"),
        ({"host": ""}, "invalid_field", "host"),
        ({"action_id": ""}, "invalid_field", "action_id"),
        ({"statement": "a\0b"}, "nul_character", "statement"),
        ({"statement": "\ud800"}, "lone_surrogate", "statement"),
        ({"statement": "x \udfff\ud800 x"}, "lone_surrogate", "statement"),
    ],
)
def test_invalid_field_is_named_and_others_accepted(
    facts: dict[str, Any], code: str, field: str | None
) -> None:
    body = json.dumps([event(), event(**facts), event()]).replace("Infinity", "1e400").encode()
    assert flaws(body) == [(1, code, field)]
    line_by_line = read_lines(
        b"\n".join(
            json.dumps(x).replace("Infinity", "1e400").encode() for x in [event(), event(**facts)]
        )
    )
    good, bad = line_by_line
    assert isinstance(good, Event)
    assert isinstance(bad, Flaw)
    assert (bad.code, bad.field) == (code, field)


def test_huge_number_is_only_an_invalid_field() -> None:
    assert flaws(one(f'"statement": 1{"0" * 5000}')) == [(0, "invalid_field", "statement")]


@pytest.mark.parametrize(
    "value", ["null", "1", '"text"', "[]", "[[]]", "true", "[" * 300 + "]" * 300]
)
def test_event_must_be_an_object(value: str) -> None:
    body = b"[" + json.dumps(event()).encode() + b"," + value.encode() + b"]"
    assert flaws(body) == [(1, "not_an_object", None)]


@pytest.mark.parametrize(
    "text",
    [
        '"host": "other"',
        '"host":"other"',
        '"host" : "other"',
        '"host"\n\t :\r\n"other"',
        r'"hos\u0074": "other"',
        '"host": "sql-prod-01"',
        r'"statement": "\": \\\": x", "host": "other"',
        r'"statement": "\\", "host": "other"',
        r'"statement": "\":", "statement": "x"',
        r'"statement": "", "statement": "\":"',
        '"succeeded": true',
    ],
)
def test_duplicate_field_is_refused_in_any_spelling(text: str) -> None:
    [(index, code, _)] = flaws(one(text))
    assert (index, code) == (0, "duplicate_field")


@pytest.mark.parametrize(
    "text",
    [
        r"\":",
        r"\" :",
        r"\\\":\"",
        ":::",
        r"\\",
        r"\\\\",
        r"{\"host\": \"x\", \"host\": 1}",
        r"\u0022:",
    ],
)
def test_quotes_and_colons_are_not_duplicates(text: str) -> None:
    assert flaws(one(f'"statement" : "{text}"')) == []


def test_escaped_backslash_before_u0000_is_not_nul() -> None:
    assert flaws(one(r'"statement": "\\u0000"')) == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"[]", b"{}", b"null", b'"text"', b"1", b"[", b"[{}", b"[{},]", b"[,]",
        b"[{}] x", b"[{} {}]", b"nonsense",
        b"\xff\xfe[]", b"\xef\xbb\xbf[]", "[]".encode("utf-16"), b"[NaN]", b"[Infinity]",
        b"[-Infinity]", b"[01]", b"['x']",
        b'["\x00"]', b'["\n"]', b"\x00", b'["\xff"]', b'["\xed\xa0\x80"]', b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'[{"a":' * 50_000, b'["\\x"]', b"[1e]", b"\x1f\x8b\x08\x00",
    ],
)  # fmt: skip
def test_malformed_array_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBatch):
        read_array(body)


def test_batch_holds_at_most_ten_thousand_events() -> None:
    body = array(event() for _ in range(10_000))
    assert len(read_array(body)) == 10_000
    with pytest.raises(BatchTooLarge):
        read_array(body[:-1] + b"," + json.dumps(event()).encode() + b"]")
    as_lines = lines(event() for _ in range(10_000))
    assert len(read_lines(as_lines)) == 10_000
    with pytest.raises(BatchTooLarge):
        read_lines(as_lines + json.dumps(event()).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * 3_000_000 + b"1]",
        b"[" + b"{}," * 3_000_000 + b"1]",
        b"[" + b"1," * 5_000_000 + b"1]",
        b'["",' + b'"a",' * 400_000 + b"1]",
    ],
)
def test_too_many_values_are_refused_unparsed(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: bytes) -> Any:
        raise AssertionError("read")

    monkeypatch.setattr(batch, "_decode_flat_array", never)
    monkeypatch.setattr(strict_json, "parse", never)
    with pytest.raises(BatchTooLarge):
        read_array(body)


def test_commas_in_statements_are_not_values() -> None:
    statement = r"VALUES (1,2,3),{[\"," * 3000
    assert flaws(array(event(statement=statement) for _ in range(40))) == []


def test_blank_lines_are_ignored() -> None:
    body = b"\n" + json.dumps(event()).encode() + b"\r\n \n" + json.dumps(event()).encode()
    assert [type(verdict) for verdict in read_lines(body)] == [Event, Event]


@pytest.mark.parametrize(
    "line", [b"{", b"nonsense", b"{}{}", b'{"host": NaN}', b"[" * 100_000, b"\x00"]
)
def test_malformed_line_affects_only_itself(line: bytes) -> None:
    good, bad, other = read_lines(
        json.dumps(event()).encode() + b"\n" + line + b"\n" + json.dumps(event()).encode()
    )
    assert isinstance(good, Event)
    assert isinstance(other, Event)
    assert isinstance(bad, Flaw)
    assert bad.code == "not_json"


def test_two_events_on_one_line_are_refused() -> None:
    text = json.dumps(event()).encode()
    [flaw] = read_lines(text + b"," + text)
    assert isinstance(flaw, Flaw)


def test_lines_must_be_utf_8() -> None:
    with pytest.raises(MalformedBatch):
        read_lines(json.dumps(event()).encode() + b"\n\xff")


def test_digest_ignores_how_an_event_is_written() -> None:
    fixed = {"event_id": "0198c0de-0000-7000-8000-00000000000a", "host": "ä"}
    plain, shifted, spelled = (
        event(**fixed, event_time="2025-11-21T11:59:00Z"),
        event(**fixed, event_time="2025-11-21T12:59:00.000+01:00", statement=""),
        dict(
            reversed(
                event(
                    **fixed | {"event_id": "0198C0DE00007000800000000000000A"},
                    event_time="2025-11-21T11:59:00Z",
                ).items()
            )
        ),
    )
    bodies = [
        array([plain]),
        array([shifted]),
        json.dumps([spelled], ensure_ascii=False, indent=1).encode(),
    ]
    events = [in_utc(read_array(body)[0]) for body in bodies]  # type: ignore[arg-type]
    assert len(set(digests(encode(events)))) == 1


@pytest.mark.parametrize("name", FIELDS[1:])
def test_digest_covers_every_field(name: str) -> None:
    base = event()
    other = {"event_time": "2025-11-21T11:59:00.123457Z", "succeeded": False}.get(name, "another")
    events = read_array(array([base, base | {name: other}]))
    first, second = digests(encode(events))  # type: ignore[arg-type]
    assert first != second


texts = st.text(st.characters(), max_size=8) | st.sampled_from(
    ['":', '\\":', '"', "\\", ":", "\0", "\ud800", "host"]
)
names = st.sampled_from([*FIELDS, "x", 'a\\"', "a\\"]) | texts
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)
objects = st.lists(st.tuples(names, values | texts), max_size=6)


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """Draw arrays of objects that resemble events, with repeated, escaped and nested fields."""
    written = []
    for pairs in draw(st.lists(objects, min_size=1, max_size=3)):
        good = list(event().items()) if draw(st.booleans()) else []
        colon = draw(st.sampled_from([":", " : ", "\n:"]))
        ascii_only = draw(st.booleans())
        members = [
            json.dumps(name, ensure_ascii=ascii_only)
            + colon
            + json.dumps(value, ensure_ascii=ascii_only)
            for name, value in draw(st.permutations(good + pairs))
        ]
        written.append("{" + ",".join(members) + "}")
    return "[" + ",".join(written) + "]"


@given(bodies())
def test_fast_path_agrees_with_the_slow_path(text: str) -> None:
    body = text.encode("utf-8", "surrogatepass")
    try:
        verdicts = read_array(body)
    except MalformedBatch:
        with pytest.raises(strict_json.Malformed):
            strict_json.parse(body)
        return
    assert verdicts == [strict_json.read(value, Event) for value in strict_json.parse(body)]
    for verdict, value in zip(verdicts, strict_json.parse(body), strict=True):
        if isinstance(verdict, Event):
            assert isinstance(value, Pairs)
            assert len({name for name, _ in value}) == len(value)
            assert not any("\0" in x for _, x in value if isinstance(x, str))
