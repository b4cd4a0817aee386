"""A log record with named columns and its position in the file."""

from dataclasses import dataclass, field
from datetime import datetime

from keyway_agent.csvlog import Row
from keyway_agent.log_time import LogClock


@dataclass(frozen=True, slots=True)
class Span:
    """A record's byte range, `start` to `end`. `file` is the file's identity."""

    file: str
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Record:
    span: Span
    logged_at: datetime
    log_time: str
    user: str
    database: str
    peer: str
    session: str
    session_line: str
    command_tag: str
    transaction: str
    severity: str
    sqlstate: str
    message: str = field(repr=False)
    detail: str = field(repr=False)
    context: str = field(repr=False)
    query: str = field(repr=False)
    application: str
    cut: bool

    @property
    def failed(self) -> bool:
        return self.severity in {"ERROR", "FATAL", "PANIC"}


def read_record(row: Row, file: str, clock: LogClock) -> Record:
    """Name a row's columns. Raises ValueError if its time is invalid."""
    # NUL has no meaning in a log, and an event cannot carry it.
    columns = [column.replace("\0", "\ufffd") for column in row.columns]
    return Record(
        span=Span(file, row.start, row.end),
        logged_at=clock.read(columns[0]),
        log_time=columns[0],
        user=columns[1],
        database=columns[2],
        peer=columns[4],
        session=columns[5],
        session_line=columns[6],
        command_tag=columns[7],
        transaction=columns[9],
        severity=columns[11],
        sqlstate=columns[12],
        message=columns[13],
        detail=columns[14],
        context=columns[18],
        query=columns[19],
        application=columns[22],
        cut=row.cut,
    )
