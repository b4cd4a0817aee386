"""Rows as CSV and NDJSON, line by line, for scripts and for spreadsheets."""

import csv
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

# A spreadsheet takes a cell that starts with one of these for a formula (OWASP, CSV injection; ASVS 1.2.10).
_FORMULA = tuple("=+-@\t\r\n\x00＝＋－＠")


def rfc3339(moment: datetime) -> str:
    """Spell an aware time in UTC with all six digits of its microseconds, so that texts sort as times do."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def csv_lines(rows: Iterable[Mapping[str, Any]], fields: Sequence[str]) -> Iterator[str]:
    """Yield RFC 4180 lines, the header first. A cell that a spreadsheet would compute gets a leading '."""
    # writerow() returns what the write() of its file returns.
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    yield writer.writerow(fields)
    for row in rows:
        yield writer.writerow([_cell(row[name]) for name in fields])


def ndjson_lines(rows: Iterable[Mapping[str, Any]], fields: Sequence[str]) -> Iterator[str]:
    """Yield one JSON object a line."""
    for row in rows:
        facts = {name: _plain(row[name]) for name in fields}
        yield json.dumps(facts, ensure_ascii=False, separators=(",", ":")) + "\n"


class _Echo:
    """The "file" of a writer whose lines are wanted back."""

    def write(self, line: str) -> str:
        return line


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return rfc3339(value)
        case uuid.UUID():
            return str(value)
    return value


def _cell(value: Any) -> Any:
    match _plain(value):
        case bool(truth):
            return "true" if truth else "false"
        case str(text) if text.startswith(_FORMULA):
            return f"'{text}"
        case plain:
            return plain
