"""Following a csvlog directory: every whole record once, in order, over rotation, renaming, truncation and torn writes."""

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
# A record begins within so many bytes; searching in chunks must not cut one apart.
_OVERLAP = 64
_SAMPLE = 4096


@dataclass(frozen=True, slots=True)
class Torn:
    """Bytes that are no record: a write that was cut short. `sample` is how they begin."""

    start: int
    end: int
    sample: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    file: str
    piece: Row | Torn


class Tail:
    """`offsets` says how far each file has been read, by identity. A file that is not in it is read from its beginning."""

    def __init__(self, directory: LogDirectory, offsets: Mapping[str, int]) -> None:
        self._directory = directory
        self._offsets = dict(offsets)
        self._scanned: dict[str, int] = {}
        self._current: _OpenFile | None = None

    def read(self) -> list[Found]:
        """Return some of what is new, [] when all of it has been given. Raises Unreadable."""
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
            # Once more what we leave: it may have been renamed or removed, and written to until a moment ago.
            if found := self._read_open():
                return found
            self._open_next(file)
            if found := self._read_open():
                return found
        return []

    def backlog(self) -> int:
        """Bytes of whole records that are there and were not given yet."""
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
        if not self._current.is_same_file():
            logger.warning(
                "%s was emptied and written anew; what came into it after our last look is lost.",
                self._current.path,
            )
            self._close_current()
            return []
        identity, size = self._current.identity, self._current.size()
        found = [Found(identity, piece) for piece in self._current.read()]
        if found:
            self._offsets[identity] = found[-1].piece.end
        else:
            self._scanned[identity] = size  # as it was before reading: what came since is news
        return found

    def _open_next(self, file: LogFile) -> None:
        self._close_current()
        logger.info("Reading %s from byte %d.", file.path, self._offsets.get(file.identity, 0))
        try:
            self._current = _OpenFile(file.path, file.identity, self._offsets.get(file.identity, 0))
        except FileNotFoundError:
            self._scanned[file.identity] = file.size
            logger.info("%s has been removed or renamed meanwhile.", file.path)

    def _close_current(self) -> None:
        if self._current:
            if not self._current.ends_whole:
                logger.warning(
                    "%s ends in the middle of a record, which is read when the rest of it comes.",
                    self._current.path,
                )
            self._current.close()
        self._current = None


class _OpenFile:
    def __init__(self, path: Path, identity: str, offset: int) -> None:
        self.path, self.identity = path, identity
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
        """Whether it is still the file that it was: PostgreSQL empties files whose names come round again."""
        return identify(os.pread(self._descriptor, _HEAD, 0)) == self.identity

    def read(self) -> list[Row | Torn]:
        """Return whole records, [] at the end of the file."""
        pieces: list[Row | Torn] = []
        while not pieces and (data := os.pread(self._descriptor, _CHUNK, self._scanner.position)):
            pieces += self._scanner.feed(data)
            if self._scanner.torn is not None and not self._resync(self._scanner.torn, pieces):
                break
        return pieces

    def _resync(self, start: int, pieces: list[Row | Torn]) -> bool:
        """Go on at what looks like the next record. False when there is none yet."""
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
