"""A segment: one append-only file of lines, written by one process, read by whoever drains it.

The writer holds an flock on it for as long as it may write, so a segment that can be locked is complete. It gets its
name only once it is locked, and no segment is ever opened for writing again. The first line, of fixed length, counts
the requests that could not be written; it is overwritten in place, which needs no room on a full disk.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from apikeys.usage.spool.write import write

SUFFIX = ".seg"
_UNNAMED = ".new"
_HEADER = b"#1 %016d %016d %020d %020d\n"
HEADER_BYTES = len(_HEADER % (0, 0, 0, 0))
_MOST_UNNAMED_SECONDS = 60
_MOST_READ = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gap:
    """Requests that were answered without a line, or refused for want of one; between two times in microseconds."""

    served: int = 0
    refused: int = 0
    since: int = 0
    until: int = 0

    def widened(self, *, served: bool) -> Self:
        now = time.time_ns() // 1000
        return replace(
            self,
            served=self.served + served,
            refused=self.refused + (not served),
            since=self.since or now,
            until=now,
        )

    def spell(self) -> bytes:
        return _HEADER % (self.served, self.refused, self.since, self.until)

    @classmethod
    def read(cls, header: bytes) -> Self:
        """Raises ValueError for what is not the first line of a segment."""
        mark, *numbers = header.split()
        if mark != b"#1" or len(numbers) != 4:
            raise ValueError("not a segment")
        return cls(*map(int, numbers))


class Segment:
    """The writing end. Its methods raise OSError; not thread-safe. A spoiled one may end in a part of a line: write no more."""

    def __init__(self, path: Path, descriptor: int, header: int, gap: Gap) -> None:
        self.path = path
        self.opened_at = time.monotonic()
        self.size = HEADER_BYTES
        self.gap = gap
        self.is_spoiled = False
        self._descriptor = descriptor
        self._header = header

    @classmethod
    def create(cls, directory: Path, gap: Gap) -> Self:
        path = directory / f"{os.getpid()}-{time.time_ns()}-{secrets.token_hex(4)}{SUFFIX}"
        unnamed = path.with_suffix(_UNNAMED)
        with ExitStack() as undo:
            descriptor = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            undo.callback(os.close, descriptor)
            undo.callback(unnamed.unlink, missing_ok=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(descriptor, gap.spell()) != HEADER_BYTES:
                raise OSError("no room for the first line of a segment")
            # Linux appends what goes through an O_APPEND descriptor, wherever pwrite says: the first line needs another.
            header = os.open(unnamed, os.O_WRONLY)
            undo.callback(os.close, header)
            os.fsync(descriptor)
            unnamed.rename(path)
            _sync_directory(directory)
            undo.pop_all()
        return cls(path, descriptor, header, gap)

    def append(self, line: bytes) -> None:
        """Write one line with one call. A part of it is taken back, so that nothing is ever appended to a part."""
        try:
            written = write(self._descriptor, line)
        except OSError:
            self._undo()
            raise
        if written != len(line):
            self._undo()
            raise OSError(f"{written} of {len(line)} bytes were written")
        self.size += written

    def _undo(self) -> None:
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:
            self.is_spoiled = True

    def note(self, gap: Gap) -> None:
        self.gap = gap
        os.pwrite(self._header, gap.spell(), 0)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """End it, letting the lock go."""
        os.close(self._header)
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of a segment from an offset on. `end` is the offset behind them, `size` that of the file."""

    lines: list[bytes]
    end: int
    size: int
    gap: Gap


def names(directory: Path) -> list[str]:
    """The segments in a spool, oldest first."""
    with os.scandir(directory) as entries:
        found = [entry.name for entry in entries if entry.name.endswith(SUFFIX)]
    return sorted(found, key=lambda name: name.split("-")[1:])


def look(path: Path) -> tuple[int, Gap]:
    """What tells a segment that has something new: its size, and what is missing from it."""
    with path.open("rb") as file:
        gap = Gap.read(file.read(HEADER_BYTES))
        return os.fstat(file.fileno()).st_size, gap


def read(path: Path, offset: int, *, most_lines: int) -> Chunk:
    """Read up to `most_lines` whole lines. A last line without its newline is not one, yet or for good."""
    with path.open("rb") as file:
        gap = Gap.read(file.read(HEADER_BYTES))
        offset = max(offset, HEADER_BYTES)
        file.seek(offset)
        lines = file.read(_MOST_READ).split(b"\n")[:-1][:most_lines]
        end = offset + sum(map(len, lines)) + len(lines)
        return Chunk(lines, end, os.fstat(file.fileno()).st_size, gap)


def sweep(directory: Path) -> None:
    """Remove what a process left that was killed before it could name its segment; nothing was written to it."""
    for path in directory.glob(f"*{_UNNAMED}"):
        with suppress(FileNotFoundError):  # named meanwhile
            if time.time() - path.stat().st_mtime > _MOST_UNNAMED_SECONDS:
                path.unlink()


@contextmanager
def complete(path: Path) -> Iterator[bool]:
    """Tell whether nobody writes to the segment any more, and keep it so."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Unlink for good: the directory is synced, so that a lost power supply does not bring it back."""
    path.unlink()
    _sync_directory(path.parent)


def set_aside(path: Path) -> None:
    path.rename(path.with_suffix(".bad"))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
