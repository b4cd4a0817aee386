"""The source that tails a PostgreSQL server's csvlog directory."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from keyway_agent import event
from keyway_agent.csvlog import Row
from keyway_agent.cursor import Cursor
from keyway_agent.interpretation import is_in_english
from keyway_agent.log_directory import LogDirectory
from keyway_agent.log_time import LogClock
from keyway_agent.outcomes import Item, Outcomes
from keyway_agent.record import Record, Span, read_record
from keyway_agent.source import Entry
from keyway_agent.state import StateDirectory
from keyway_agent.tail import Found, Tail, Torn

logger = logging.getLogger(__name__)

UNREADABLE = "unreadable.ndjson"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`zone` is the server's ``log_timezone``, `instance` its name in events.

    `from_end` skips what the log already holds at the agent's first start.
    """

    path: Path
    zone: str
    instance: str
    from_end: bool


class CsvLog:
    """Read, join and deliver the log. Methods raise Unreadable if the log cannot be read."""

    def __init__(
        self,
        settings: LogSettings,
        *,
        host: str,
        state: StateDirectory,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._settings, self._host, self._state, self._now = settings, host, state, now
        self._clock = LogClock(settings.zone)
        self._directory = LogDirectory(settings.path, self._clock)
        self._overview = LogDirectory(settings.path, self._clock)
        self._cursor = Cursor(state)
        self._find_position()
        self._tail = Tail(self._directory, self._cursor.offsets)
        self._outcomes = Outcomes(joined=set(self._cursor.joined))
        self._language_warned = False

    def read(self) -> Sequence[Entry]:
        # Taken before the read, so that everything logged up to this time has been read. A later
        # time could settle a statement as succeeded while its failure is being logged.
        started_at = self._now()
        found = self._tail.read()
        for each in found:
            self._take(each)
        return [self._entry(item) for item in self._outcomes.settled(None if found else started_at)]

    def delivered(self, entries: Sequence[Entry]) -> None:
        self._cursor.advance(entry.receipt for entry in entries if isinstance(entry.receipt, Item))
        self._cursor.save(existing=self._directory.known())

    def backlog(self) -> int:
        """Return the undelivered bytes of log. Safe to call from another thread."""
        return sum(
            max(0, file.size - self._cursor.offsets.get(file.identity, 0))
            for file in self._overview.files()
        )

    def is_exhausted(self) -> bool:
        return not len(self._outcomes) and not self._tail.backlog()

    def _find_position(self) -> None:
        files = {file.identity: file for file in self._directory.files()}
        if self._cursor.is_new and self._settings.from_end:
            self._cursor.offsets = {file.identity: file.size for file in files.values()}
            self._cursor.save(existing=set(files))
        elif gone := len(self._cursor.offsets.keys() - files.keys()):
            logger.warning(
                "%d log files that were read before are gone. Events in them that were not yet sent"
                " are lost.",
                gone,
            )

    def _take(self, found: Found) -> None:
        piece = found.piece
        if isinstance(piece, Torn):
            self._set_aside(found.file, piece, piece.sample)
            return
        try:
            record = read_record(piece, found.file, self._clock)
        except ValueError:
            self._set_aside(found.file, piece, repr(piece.columns[:9]).encode())
            return
        self._check_language(record)
        self._outcomes.feed(record)

    def _set_aside(self, file: str, piece: Row | Torn, sample: bytes) -> None:
        """Record unreadable bytes for the operator and continue after them."""
        logger.warning(
            "%d bytes of the log are not a record (a full disk or a crash cut it short). See %s.",
            piece.end - piece.start,
            UNREADABLE,
        )
        note = {
            "file": file,
            "start": piece.start,
            "end": piece.end,
            "begins": str(sample, "utf-8", "replace"),
        }
        self._state.append(UNREADABLE, json.dumps(note).encode() + b"\n")
        self._outcomes.skip(Span(file, piece.start, piece.end))

    def _check_language(self, record: Record) -> None:
        if not self._language_warned and not is_in_english(record):
            self._language_warned = True
            logger.error(
                "The log is not in English, so the agent cannot recognize its records."
                " Set lc_messages = 'C' on the server."
            )

    def _entry(self, item: Item) -> Entry:
        draft = item.draft
        built = (
            event.build(draft, host=self._host, instance=self._settings.instance) if draft else None
        )
        return Entry(built, item)
