"""The state directory: used by one agent at a time, with files replaced atomically."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keyway_agent.errors import BrokenState, Misconfigured


class StateDirectory:
    """Create and lock the directory. Raises Misconfigured if it is unusable or already in use.

    All methods raise BrokenState, usually because of a full disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Misconfigured(
                f"StateDirectory: cannot write to {path}: {error.strerror}."
            ) from error
        # A lock of the open file, not a pid file: the kernel releases it however the agent dies,
        # so a SIGKILL never leaves a stale lock behind.
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Misconfigured(f"StateDirectory: another agent is using {path}.") from error

    def release(self) -> None:
        os.close(self._lock)

    def read(self, name: str) -> bytes | None:
        path = self.path / name
        with self._reported():
            return path.read_bytes() if path.exists() else None

    def replace(self, name: str, content: bytes) -> None:
        """Replace a file durably and atomically: a crash leaves either the old or the new one."""
        temporary = self.path / f".{name}.new"
        with self._reported():
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
            )
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                # Before the rename: renamed first, a crash could leave a truncated cursor.
                os.fsync(descriptor)
            temporary.replace(self.path / name)
            # The rename itself becomes durable only with the directory.
            self._sync()

    def append(self, name: str, content: bytes) -> None:
        """Append lines to a file durably."""
        with self._reported():
            descriptor = os.open(
                self.path / name, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            with os.fdopen(descriptor, "ab") as file:
                size = os.fstat(descriptor).st_size
                # A crash may have cut the last line short. Without the line break, the next record
                # would be joined to it and both would be unreadable.
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    file.write(b"\n")
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            self._sync()

    def _sync(self) -> None:
        directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BrokenState(
                f"StateDirectory: {self.path}: {error.strerror}. Its files are unchanged."
            ) from error
