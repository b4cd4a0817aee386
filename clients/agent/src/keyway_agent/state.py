"""What outlives the agent: one directory, one agent at a time, every file replaced whole or not at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keyway_agent.errors import BrokenState, Misconfigured


class StateDirectory:
    """Made when it is missing. Raises Misconfigured when it cannot be used, or another agent uses it.

    Everything else raises BrokenState: a full disk, mostly.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Misconfigured(
                f"StateDirectory: cannot write in {path}: {error.strerror}."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Misconfigured(f"StateDirectory: another agent is running with {path}.") from error

    def release(self) -> None:
        os.close(self._lock)

    def read(self, name: str) -> bytes | None:
        path = self.path / name
        with self._reported():
            return path.read_bytes() if path.exists() else None

    def replace(self, name: str, content: bytes) -> None:
        """Write durably: after a crash the file is as it was, or as it is to be."""
        temporary = self.path / f".{name}.new"
        with self._reported():
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
            )
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(self.path / name)
            self._sync()

    def append(self, name: str, content: bytes) -> None:
        """Add to a file durably. A crash may leave the last line short, so a new one always starts a line."""
        with self._reported():
            descriptor = os.open(
                self.path / name, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            with os.fdopen(descriptor, "ab") as file:
                size = os.fstat(descriptor).st_size
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
                f"StateDirectory: {self.path}: {error.strerror}. What it holds is as it was."
            ) from error
