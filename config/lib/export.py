"""Export rows as CSV or NDJSON, one line at a time."""

import csv
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

# Spreadsheets run a cell that starts with one of these as a formula (OWASP, CSV injection;
# ASVS 1.2.10).
_FORMULA = tuple("=+-@\t\r\n\x00＝＋－＠")


def rfc3339(moment: datetime) -> str:
    """Format an aware time in UTC, always with microseconds, so that strings sort like times."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def csv_lines(rows: Iterable[Mapping[str, Any]], fields: Sequence[str]) -> Iterator[str]:
    """Yield RFC 4180 lines, the header first. Formulas get a leading ' so that they do not run."""
    # writerow() returns the result of its file's write().
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    yield writer.writerow(fields)
    for row in rows:
        yield writer.writerow([_cell(row[name]) for name in fields])


def ndjson_lines(rows: Iterable[Mapping[str, Any]], fields: Sequence[str]) -> Iterator[str]:
    """Yield one JSON object per line."""
    for row in rows:
        facts = {name: _plain(row[name]) for name in fields}
        yield json.dumps(facts, ensure_ascii=False, separators=(",", ":")) + "\n"


class _Echo:
    """A file for csv.writer that returns each line and keeps none."""

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
