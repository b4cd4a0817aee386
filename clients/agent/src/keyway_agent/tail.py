"""Tail a csvlog directory: every complete record once and in order.

Survives rotation, renaming, truncation and torn writes.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from keyway_agent.csvlog import RECORD_START, Row, Scanner
from keyway_agent.errors import Unreadable
from keyway_agent.log_directory import LogDirectory, LogFile, identify

logger = logging.getLogger(__name__)

_CHUNK = 256 * 1024
_HEAD = 512
# Longest match of RECORD_START. Chunks overlap by it so that none is split between two of them.
_OVERLAP = 64
_SAMPLE = 4096


@dataclass(frozen=True, slots=True)
class Torn:
    """Bytes that are not a record: a write cut short. `sample` is their beginning."""

    start: int
    end: int
    sample: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    file: str
    piece: Row | Torn


class Tail:
    """`offsets` maps a file's identity to where reading resumes; other files are read from 0."""

    def __init__(self, directory: LogDirectory, offsets: Mapping[str, int]) -> None:
        self._directory = directory
        self._offsets = dict(offsets)
        self._scanned: dict[str, int] = {}
        self._current: _OpenFile | None = None

    def read(self) -> list[Found]:
        """Return some new pieces, or [] if there are none. Raises Unreadable."""
        try:
            return self._read()
        except OSError as error:
            with suppress(OSError):
                self._close_current()
            self._current = None
            raise Unreadable(f"Source.Path: cannot read the log: {error.strerror}.") from error

    def _read(self) -> list[Found]:
        if found := self._read_open():
            return found
        for file in self._directory.files():
            if not self._has_news(file):
                continue
            # Read the current file once more before leaving it. PostgreSQL may have written its
            # last line between the read above and the listing. If the file was renamed or removed,
            # it is not listed again and that line would be lost.
            if found := self._read_open():
                return found
            self._open_next(file)
            if found := self._read_open():
                return found
        return []

    def backlog(self) -> int:
        """Return the bytes not yet returned, leaving out a record that is still incomplete."""
        return sum(
            max(0, file.size - self._read_up_to(file.identity)) for file in self._directory.files()
        )

    def _has_news(self, file: LogFile) -> bool:
        is_open = self._current is not None and self._current.identity == file.identity
        return not is_open and file.size > self._read_up_to(file.identity)

    def _read_up_to(self, identity: str) -> int:
        return max(self._offsets.get(identity, 0), self._scanned.get(identity, 0))

    def _read_open(self) -> list[Found]:
        if self._current is None:
            return []
        # Before every read: PostgreSQL truncates and reuses files when log_filename has no date.
        # Reading on at the old offset would start in the middle of another record.
        if not self._current.is_same_file():
            logger.warning(
                "%s was truncated and reused. Records written to it after the last read are lost.",
                self._current.path,
            )
            self._close_current()
            return []
        identity, size = self._current.identity, self._current.size()
        found = [Found(identity, piece) for piece in self._current.read()]
        if found:
            self._offsets[identity] = found[-1].piece.end
        else:
            # The size from before the read: bytes appended since then must still count as new.
            self._scanned[identity] = size
        return found

    def _open_next(self, file: LogFile) -> None:
        self._close_current()
        logger.info("Reading %s from byte %d.", file.path, self._offsets.get(file.identity, 0))
        try:
            self._current = _OpenFile(file.path, file.identity, self._offsets.get(file.identity, 0))
        except FileNotFoundError:
            self._scanned[file.identity] = file.size
            logger.info("%s was removed or renamed before it could be opened.", file.path)

    def _close_current(self) -> None:
        if self._current:
            if not self._current.ends_whole:
                logger.warning(
                    "%s ends with an incomplete record, which is read once it is complete.",
                    self._current.path,
                )
            self._current.close()
        self._current = None


class _OpenFile:
    def __init__(self, path: Path, identity: str, offset: int) -> None:
        self.path, self.identity = path, identity
        # O_NOFOLLOW: the listing skips symbolic links, but one may have replaced the file since.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._restart_at(offset)

    def close(self) -> None:
        os.close(self._descriptor)

    @property
    def ends_whole(self) -> bool:
        return self._scanner.is_between_rows

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def is_same_file(self) -> bool:
        """Whether the open file still begins with the same record, so was not truncated."""
        return identify(os.pread(self._descriptor, _HEAD, 0)) == self.identity

    def read(self) -> list[Row | Torn]:
        """Return complete records, or [] at the end of the file."""
        pieces: list[Row | Torn] = []
        while not pieces and (data := os.pread(self._descriptor, _CHUNK, self._scanner.position)):
            pieces += self._scanner.feed(data)
            if self._scanner.torn is not None and not self._resync(self._scanner.torn, pieces):
                break
        return pieces

    def _resync(self, start: int, pieces: list[Row | Torn]) -> bool:
        """Skip to what looks like the next record. Return False if there is none yet."""
        end = self._next_record_start(start + 1)
        if end is None:
            self._restart_at(start)
            return False
        pieces.append(
            Torn(start, end, os.pread(self._descriptor, min(_SAMPLE, end - start), start))
        )
        self._restart_at(end)
        return True

    def _next_record_start(self, position: int) -> int | None:
        while data := os.pread(self._descriptor, _CHUNK, position):
            if match := RECORD_START.search(data):
                return position + match.start()
            if len(data) <= _OVERLAP:
                return None
            position += len(data) - _OVERLAP
        return None

    def _restart_at(self, offset: int) -> None:
        self._scanner = Scanner(offset)
