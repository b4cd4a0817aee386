"""CSV and NDJSON exports: values read back as written, and no spreadsheet runs a formula."""

import csv
import io
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.lib.export import csv_lines, ndjson_lines, rfc3339

FORMULAS = "=+-@\t\r\n\0＝＋－＠"
texts = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize("start", FORMULAS)
def test_formula_cell_gets_an_apostrophe(start: str) -> None:
    cell = f"{start}cmd|' /C calc'!A0"
    assert read_csv(csv_lines([{"a": cell, "b": f"x{cell}"}], ["a", "b"]))[1] == [
        f"'{cell}",
        f"x{cell}",
    ]


@given(st.lists(st.tuples(texts, texts), max_size=5))
def test_csv_reads_back_except_the_apostrophe(rows: list[tuple[str, str]]) -> None:
    lines = csv_lines(({"a": a, "b": b} for a, b in rows), ["a", "b"])
    header, *cells = read_csv(lines)
    assert header == ["a", "b"]
    assert cells == [
        ["'" + cell if cell.startswith(tuple(FORMULAS)) else cell for cell in row] for row in rows
    ]


@given(st.lists(st.dictionaries(st.sampled_from("ab"), texts, min_size=2)))
def test_ndjson_has_one_object_per_line(rows: list[dict[str, str]]) -> None:
    lines = list(ndjson_lines(rows, ["a", "b"]))
    assert all(line.count("\n") == 1 and line.endswith("\n") for line in lines)
    assert [json.loads(line) for line in lines] == rows


def test_both_formats_spell_values_alike() -> None:
    value = {
        "time": datetime(2025, 11, 21, 13, 30, tzinfo=timezone(timedelta(hours=1, minutes=30))),
        "id": uuid.UUID(int=10),
        "yes": True,
        "no": False,
        "none": None,
        "number": -5,
    }
    assert json.loads(next(ndjson_lines([value], list(value)))) == {
        "time": "2025-11-21T12:00:00.000000Z",
        "id": "00000000-0000-0000-0000-00000000000a",
        "yes": True,
        "no": False,
        "none": None,
        "number": -5,
    }
    assert read_csv(csv_lines([value], list(value)))[1] == [
        "2025-11-21T12:00:00.000000Z", "00000000-0000-0000-0000-00000000000a", "true", "false", "",
        "-5",
    ]  # fmt: skip


def test_requested_fields_appear_in_order() -> None:
    row = {"secret": "x", "b": "2", "a": "1"}
    assert list(csv_lines([row], ["a", "b"])) == ["a,b\r\n", "1,2\r\n"]
    assert list(ndjson_lines([row], ["a", "b"])) == ['{"a":"1","b":"2"}\n']


def test_lines_are_streamed() -> None:
    def rows() -> Iterator[dict[str, str]]:
        yield {"a": "1"}
        raise RuntimeError("read too early")

    for lines, before in ((csv_lines(rows(), ["a"]), 2), (ndjson_lines(rows(), ["a"]), 1)):
        for _ in range(before):
            next(lines)
        with pytest.raises(RuntimeError):
            next(lines)


@given(st.integers(-(10**15), 10**15), st.timezones())
def test_times_sort_as_text(seconds: int, zone: tzinfo) -> None:
    moment = (datetime(2025, 1, 1, tzinfo=UTC) + timedelta(microseconds=seconds)).astimezone(zone)
    text = rfc3339(moment)
    assert datetime.fromisoformat(text) == moment
    assert len(text) == len("2025-11-21T12:00:00.000000Z")
    assert text < rfc3339(moment.astimezone(UTC) + timedelta(microseconds=1))


def read_csv(lines: Iterator[str]) -> list[list[str]]:
    return list(csv.reader(io.StringIO("".join(lines), newline="")))
