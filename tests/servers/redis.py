"""Throwaway Redis servers on loopback that tests can kill, hang and restart."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from tests.servers.ports import free_port

MISSING = "redis-server was not found. Install it: apt-get install redis-server"
STARTUP_SECONDS = 60


def find_redis() -> str | None:
    return shutil.which("redis-server")


class RedisServer:
    """Use as a context manager. Each start is empty and has the same `url`."""

    def __init__(self, *arguments: str) -> None:
        binary = find_redis()
        if binary is None:
            raise RuntimeError(MISSING)
        self._command = [binary, *arguments]
        self.folder = Path(tempfile.mkdtemp(prefix="keyway-redis-"))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def client(self) -> "Redis":
        return Redis.from_url(self.url)

    def start(self) -> None:
        settings = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        with (self.folder / "log").open("ab") as log:
            command = [*self._command, *settings, "--dir", str(self.folder)]
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env={"PATH": os.environ.get("PATH", "")}
            )
        deadline = time.monotonic() + STARTUP_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Redis did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    def hang(self) -> None:
        """Stop the process, so that it accepts connections and never responds."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            with self.client as client:
                return bool(client.ping())
        except RedisError:
            return False
