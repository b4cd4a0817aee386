"""A segment: one append-only file of lines, written by one process and read by drainers.

The writer holds an flock on the file for as long as it may write, so a segment that can be locked
is complete. The file gets its name only once it is locked, and no segment is ever opened for
writing again. The first line has a fixed length and counts the requests that could not be written.
It is overwritten in place, which needs no room on a full disk.
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
    """How many requests have no line, served or refused. The times are microseconds since 1970."""

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
        """Read the first line of a segment. Raises ValueError for anything else."""
        mark, *numbers = header.split()
        if mark != b"#1" or len(numbers) != 4:
            raise ValueError("not a segment")
        return cls(*map(int, numbers))


class Segment:
    """The writing end of a segment. Not thread-safe. The methods raise OSError.

    A segment that `is_spoiled` may end in a partial line. Never append to one.
    """

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
        # Undone in reverse order if any step fails, so that a full disk does not also run the
        # process out of descriptors, one for each attempt.
        with ExitStack() as undo:
            # O_EXCL: never append to a file of another process. O_APPEND: each write goes to the
            # end.
            descriptor = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            undo.callback(os.close, descriptor)
            undo.callback(unnamed.unlink, missing_ok=True)
            # The lock before the name. A drainer that found the file in between could lock it, take
            # it for complete, and remove it while this process goes on writing.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(descriptor, gap.spell()) != HEADER_BYTES:
                raise OSError("no room for the first line of a segment")
            # A second descriptor for the header. On Linux, pwrite through an O_APPEND descriptor
            # ignores its offset and appends.
            header = os.open(unnamed, os.O_WRONLY)
            undo.callback(os.close, header)
            # The content before the name, and then the name itself: after a power failure a segment
            # either is not there or has a whole header. A name with an empty file would be set
            # aside.
            os.fsync(descriptor)
            unnamed.rename(path)
            # Without this, the synced lines of a segment could be lost together with its name.
            _sync_directory(directory)
            undo.pop_all()
        return cls(path, descriptor, header, gap)

    def append(self, line: bytes) -> None:
        """Write one line with one call, whole or not at all."""
        # One call: with two, a kill between them leaves a partial line in the middle of the file.
        try:
            written = write(self._descriptor, line)
        except OSError:
            self._undo()
            raise
        # write(2) on a full disk writes what fits and reports success. The next line would be
        # appended to that part, and both would be unreadable.
        if written != len(line):
            self._undo()
            raise OSError(f"{written} of {len(line)} bytes were written")
        self.size += written

    def _undo(self) -> None:
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:
            # The part stays. Only at the very end of a segment is it harmless: nothing may follow
            # it.
            self.is_spoiled = True

    def note(self, gap: Gap) -> None:
        self.gap = gap
        # In place and with the same length: this has to work on a full disk.
        os.pwrite(self._header, gap.spell(), 0)

    def sync(self) -> None:
        # fdatasync also writes the size, which is all of the metadata that reading back needs.
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file, which releases the lock: from here on the segment is complete."""
        os.close(self._header)
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of a segment. `end` is the offset behind them, `size` the size of the file."""

    lines: list[bytes]
    end: int
    size: int
    gap: Gap


def names(directory: Path) -> list[str]:
    """Return the names of the segments in a spool, oldest first."""
    with os.scandir(directory) as entries:
        found = [entry.name for entry in entries if entry.name.endswith(SUFFIX)]
    return sorted(found, key=lambda name: name.split("-")[1:])


def look(path: Path) -> tuple[int, Gap]:
    """Return the size and gap of a segment. One of them differs if there is something to drain."""
    with path.open("rb") as file:
        gap = Gap.read(file.read(HEADER_BYTES))
        return os.fstat(file.fileno()).st_size, gap


def read(path: Path, offset: int, *, most_lines: int) -> Chunk:
    """Read up to `most_lines` whole lines from `offset` on."""
    with path.open("rb") as file:
        gap = Gap.read(file.read(HEADER_BYTES))
        offset = max(offset, HEADER_BYTES)
        file.seek(offset)
        # [:-1] drops what follows the last newline. It is a line that is still being written, or
        # one whose writer died: its request was never answered, so it does not count.
        lines = file.read(_MOST_READ).split(b"\n")[:-1][:most_lines]
        end = offset + sum(map(len, lines)) + len(lines)
        return Chunk(lines, end, os.fstat(file.fileno()).st_size, gap)


def sweep(directory: Path) -> None:
    """Remove the files of processes that died before they named their segment.

    They hold no lines.
    """
    for path in directory.glob(f"*{_UNNAMED}"):
        with suppress(FileNotFoundError):  # named in the meantime
            # Only old ones: a young one belongs to a process that is about to name it.
            if time.time() - path.stat().st_mtime > _MOST_UNNAMED_SECONDS:
                path.unlink()


@contextmanager
def complete(path: Path) -> Iterator[bool]:
    """Yield whether the segment's writer has gone.

    While the context lasts, no other drainer locks it.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            # Never wait: the writer may hold its lock for an hour. The kernel drops it when the
            # writer dies, so no process id is needed, which another process might have taken over.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Unlink a segment for good."""
    path.unlink()
    # Synced before the caller deletes the row of the segment. A power failure after that could
    # bring the file back without its row, and every line would be stored twice.
    _sync_directory(path.parent)


def set_aside(path: Path) -> None:
    path.rename(path.with_suffix(".bad"))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
