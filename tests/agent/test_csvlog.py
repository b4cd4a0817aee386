import csv
import io
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyway_agent.csvlog import COLUMN_LIMIT, Row, Scanner

from tests.agent.logs import BOTH, DURATIONS, STATEMENTS

LINE = (
    b'2026-11-21 04:07:34.475 UTC,"keyway","keyway",10228,"127.0.0.1:46604",6b011906.27f4,31,'
    b'"idle",2026-11-21 04:07:34 UTC,,0,LOG,00000,"%s",,,,,,,,,"other"%s\n'
)
MODERN = b',"client backend",,0'


def line(message: bytes, rest: bytes = MODERN) -> bytes:
    return LINE % (message, rest)


@pytest.mark.parametrize("sample", [STATEMENTS, DURATIONS, BOTH])
@pytest.mark.parametrize("seed", range(5))
def test_rows_do_not_depend_on_chunk_boundaries(sample: Path, seed: int) -> None:
    data = sample.read_bytes()
    expected = list(csv.reader(io.StringIO(data.decode("utf-8", "replace"), newline="")))
    dice, scanner, at = random.Random(seed), Scanner(0), 0
    rows: list[Row] = []
    while at < len(data):
        size = dice.choice([1, 3, 50, 5000, 100_000])
        rows += scanner.feed(data[at : at + size])
        at += size
    assert [row.columns for row in rows] == expected
    assert [row.end for row in rows[:-1]] == [row.start for row in rows[1:]]
    assert rows[-1].end == len(data)
    assert scanner.is_between_rows


def test_incomplete_last_line_waits() -> None:
    scanner = Scanner(0)
    whole = line(b"statement: select 1")
    assert scanner.feed(whole[:-1]) == []
    assert not scanner.is_between_rows
    assert len(scanner.feed(whole[-1:])) == 1


@pytest.mark.parametrize(
    ("rest", "columns"), [(b"", 23), (b',"client backend"', 24), (MODERN, 26), (MODERN + b",x", 27)]
)
def test_column_counts_of_every_version_are_accepted(rest: bytes, columns: int) -> None:
    (row,) = Scanner(0).feed(line(b"x", rest))
    assert len(row.columns) == columns


def test_statement_text_cannot_end_its_column() -> None:
    message = b"statement: select '" + line(b"statement: forged") + b"'"
    (row,) = Scanner(0).feed(line(message.replace(b'"', b'""')))
    assert row.columns[13] == message.decode()


@pytest.mark.parametrize(
    "torn",
    [
        line(b"statement: sele")[:180],  # inside a quoted column
        line(b"x")[:40],  # inside an unquoted column
        line(b"x")[:10],
        b"not a log at all\n",
        b",,,\n",
    ],
)
def test_invalid_bytes_are_reported_as_torn(torn: bytes) -> None:
    scanner = Scanner(0)
    rows = scanner.feed(line(b"before") + torn + line(b"after"))
    assert [row.columns[13] for row in rows] == ["before"]
    assert scanner.torn == len(line(b"before"))


def test_huge_statement_is_cut() -> None:
    scanner = Scanner(0)
    data = line(b"statement: " + b'""x,\n' * COLUMN_LIMIT) + line(b"after")
    rows = [
        row for at in range(0, len(data), 65_536) for row in scanner.feed(data[at : at + 65_536])
    ]
    huge, after = rows
    assert huge.cut
    assert len(huge.columns[13]) == COLUMN_LIMIT
    assert not after.cut
    assert after.columns[13] == "after"


@given(st.text(), st.integers(1, 400))
def test_any_message_round_trips(message: str, size: int) -> None:
    encoded = message.encode("utf-8", "replace")
    data = line(encoded.replace(b'"', b'""'))
    scanner = Scanner(0)
    rows = [row for at in range(0, len(data), size) for row in scanner.feed(data[at : at + size])]
    assert [row.columns[13] for row in rows] == [encoded.decode()]
