"""The csvlog files of a directory, identified by their first line.

Names and inodes are reused; the time stamp, process and session at the start of a log are not.
"""

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from keyway_agent.csvlog import RECORD_START
from keyway_agent.errors import Unreadable
from keyway_agent.log_time import LogClock

# The time, process, session and line number of a first line fit in far fewer bytes.
_HEAD = 512
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4")


@dataclass(frozen=True, slots=True)
class LogFile:
    """`identity` survives growth and renaming; it changes when the file is truncated and reused."""

    path: Path
    identity: str
    begins_at: datetime
    size: int


def identify(head: bytes) -> str:
    """Return the identity that the first bytes give, or "" until the first line is complete."""
    line, newline, _ = head[:_HEAD].partition(b"\n")
    if not newline and len(line) < _HEAD:
        return ""
    return hashlib.sha256(line).hexdigest()[:32]


def _may_be_a_log(entry: os.DirEntry[str]) -> bool:
    # No symbolic links: a user who can write to this directory must not be able to make the agent
    # read, and send, another file.
    return (
        ".csv" in entry.name
        and not entry.name.endswith(_COMPRESSED)
        and entry.is_file(follow_symlinks=False)
    )


class LogDirectory:
    def __init__(self, path: Path, clock: LogClock) -> None:
        self.path = path
        self._clock = clock
        self._seen: dict[Path, tuple[tuple[int, int, int], LogFile | None]] = {}

    def files(self) -> list[LogFile]:
        """Return every csvlog, oldest first, renamed ones (``….csv.1``) included.

        Raises Unreadable.
        """
        try:
            entries = [Path(entry.path) for entry in os.scandir(self.path) if _may_be_a_log(entry)]
        except OSError as error:
            raise Unreadable(f"Source.Path: cannot list {self.path}: {error.strerror}.") from error
        seen = {path: self._look(path) for path in entries}
        self._seen = {path: sight for path, sight in seen.items() if sight}
        files = [file for _, file in self._seen.values() if file]
        # A copy made by log rotation has the identity of its original. Keep the longer of the two.
        longest = {
            file.identity: file for file in sorted(files, key=lambda file: (file.size, file.path))
        }
        return sorted(longest.values(), key=lambda file: (file.begins_at, file.path.name))

    def known(self) -> set[str]:
        """Return the identities of the files found by the last files()."""
        return {file.identity for _, file in self._seen.values() if file}

    def _look(self, path: Path) -> tuple[tuple[int, int, int], LogFile | None] | None:
        try:
            status = path.stat()
            state = (status.st_ino, status.st_size, status.st_mtime_ns)
            known = self._seen.get(path)
            if known and known[0] == state:
                return known
            with path.open("rb") as opened:
                head = opened.read(_HEAD)
        except FileNotFoundError:
            return None  # removed after it was listed
        except OSError as error:
            raise Unreadable(f"Source.Path: cannot read {path}: {error.strerror}.") from error
        identity = identify(head)
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        file = (
            LogFile(path, identity, self._begins_at(head, modified), status.st_size)
            if identity
            else None
        )
        return state, file

    def _begins_at(self, head: bytes, modified: datetime) -> datetime:
        if match := RECORD_START.match(head):
            try:
                return self._clock.read(match[0].decode().removesuffix(","))
            except ValueError:
                pass
        return modified
