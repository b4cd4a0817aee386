"""Strict incremental parser of PostgreSQL's csvlog. Memory is bounded even for a huge statement."""

import csv
import re
from dataclasses import dataclass, field

# PostgreSQL 9.0 to 12 write 23 columns, 13 writes 24, 14 and later 26. Newer ones may add a few.
FEWEST_COLUMNS, MOST_COLUMNS = 23, 30
# The rest of a longer column is read but not kept. Twice the longest statement that is sent:
# 65,536 characters of at most 4 bytes.
COLUMN_LIMIT = 512 * 1024
_LOG_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^\s,\"]+"
RECORD_START = re.compile(_LOG_TIME.encode() + b",")
# Columns of a fixed shape. They do not match when a torn record runs into the next one.
_SHAPES = {
    0: re.compile(_LOG_TIME, re.ASCII),
    3: re.compile(r"\d*", re.ASCII),
    5: re.compile(r"[0-9a-f]+\.[0-9a-f]+"),
    6: re.compile(r"\d+", re.ASCII),
    8: re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+)?", re.ASCII),
}
_END_OF_PLAIN = re.compile(rb'[,"\n]')
_COLUMN = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\r\n]*+)'
_WHOLE_ROW = re.compile(rb"(?:" + _COLUMN + rb",)*+" + _COLUMN + rb"\n")
# The csv module's own column limit. Raising it would do so for the whole process.
_SHORT_ROW = 128 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One record: its columns and its byte range in the file. `cut` if a column was truncated."""

    columns: list[str] = field(repr=False)
    start: int
    end: int
    cut: bool


class Scanner:
    """Parse rows from a file's bytes, fed in chunks of any size.

    PostgreSQL doubles every quote in a quoted column, so no statement text can end its column and
    forge a record. Bytes that break the grammar come from a torn write (a full disk, a killed
    server): `torn` is then the offset of that record, and the scanner stops.
    """

    def __init__(self, start: int) -> None:
        self.position = self._base = self._start = start
        self.torn: int | None = None
        self._step = self._plain
        self._columns: list[str] = []
        self._rows: list[Row] = []
        self._begin_column()
        self._cut = False

    @property
    def is_between_rows(self) -> bool:
        return self.position == self._start

    def feed(self, data: bytes) -> list[Row]:
        self._base, at = self.position, 0
        while at < len(data) and self.torn is None:
            at = self._short_row(data, at) or self._step(data, at)
        self.position = self._base + at
        rows, self._rows = self._rows, []
        return rows

    def _short_row(self, data: bytes, at: int) -> int:
        """Fast path for a row that is complete in `data`; 0 to fall back to the steps below."""
        if self._base + at != self._start:
            return 0
        match = _WHOLE_ROW.match(data, at)
        if match is None or len(match[0]) > _SHORT_ROW:
            return 0
        text = str(match[0], "utf-8", "replace")
        self._columns = next(csv.reader([text], strict=True))
        self._end_row(self._base + match.end())
        return match.end()

    def _plain(self, data: bytes, at: int) -> int:
        mark = _END_OF_PLAIN.search(data, at)
        if mark is None:
            self._keep(data[at:])
            return len(data)
        end = mark.start()
        self._keep(data[at:end])
        if mark[0] != b'"':
            return self._end_column(data, end)
        if self._size:
            self.torn = self._start
        self._step = self._quoted
        return end + 1

    def _quoted(self, data: bytes, at: int) -> int:
        end = data.find(b'"', at)
        if end < 0:
            self._keep(data[at:])
            return len(data)
        self._keep(data[at:end])
        self._step = self._after_quote
        return end + 1

    def _after_quote(self, data: bytes, at: int) -> int:
        if data[at] == 0x22:
            self._keep(b'"')
            self._step = self._quoted
            return at + 1
        return self._end_column(data, at)

    def _end_column(self, data: bytes, at: int) -> int:
        self._columns.append(str(b"".join(self._pieces), "utf-8", "replace"))
        self._begin_column()
        self._step = self._plain
        if data[at] == 0x0A:
            self._end_row(self._base + at + 1)
        elif data[at] != 0x2C or len(self._columns) > MOST_COLUMNS:
            self.torn = self._start
        return at + 1

    def _end_row(self, end: int) -> None:
        columns, self._columns = self._columns, []
        counted = FEWEST_COLUMNS <= len(columns) <= MOST_COLUMNS
        if not counted or not all(shape.fullmatch(columns[at]) for at, shape in _SHAPES.items()):
            self.torn = self._start
            return
        self._rows.append(Row(columns, self._start, end, self._cut))
        self._start, self._cut = end, False

    def _begin_column(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def _keep(self, piece: bytes) -> None:
        room = COLUMN_LIMIT - self._size
        self._size += len(piece)
        if len(piece) <= room:
            self._pieces.append(piece)
        else:
            self._cut = True
            if room > 0:
                self._pieces.append(piece[:room])
