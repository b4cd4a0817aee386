"""Real worker processes on a database of their own, once SQLite and once PostgreSQL."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.servers.keyway import ROOT
from tests.servers.postgres import PostgresServer, require_binaries

SECONDS = 60
PROGRAM = "tests.config.lib.worker.program"
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.config.lib.worker.settings"}


@dataclass(frozen=True)
class Event:
    kind: str
    duty: str
    pid: int
    at: float


class Workers:
    """Starts workers and reads what their duties wrote."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.log, self.journal = folder / "log", folder / "journal"
        self.environment = os.environ | SETTINGS | {"DATABASE_URL": database_url}
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", PROGRAM, str(self.journal), *words],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self._started.append(process)
        return process

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a worker that ends by itself."""
        return subprocess.run(
            [sys.executable, "-m", PROGRAM, str(self.journal), *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def events(self, kind: str = "", duty: str = "") -> list[Event]:
        text = self.journal.read_text() if self.journal.exists() else ""
        lines = [line.split() for line in text.splitlines()]
        found = [Event(line[0], line[1], int(line[2]), float(line[3])) for line in lines]
        return [each for each in found if kind in {"", each.kind} and duty in {"", each.duty}]

    def wait_for(self, count: int, kind: str = "begin", duty: str = "") -> Sequence[Event]:
        until = time.monotonic() + SECONDS
        while len(found := self.events(kind, duty)) < count:
            if time.monotonic() > until:
                pytest.fail(f"{found}, and in the log:\n{self.log.read_text()}")
            time.sleep(0.05)
        return found

    def wait_for_log(self, words: str) -> None:
        until = time.monotonic() + SECONDS
        while words not in (text := self.log.read_text()):
            if time.monotonic() > until:
                pytest.fail(text)
            time.sleep(0.05)

    def kill(self) -> None:
        for process in self._started:
            process.kill()
            process.wait(20)


def migrate(database_url: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    environment = os.environ | SETTINGS | {"DATABASE_URL": database_url}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    require_binaries()
    with PostgresServer() as server:
        migrate(server.url)
        yield server


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy."""
    template = tmp_path_factory.mktemp("worker") / "worker.sqlite3"
    migrate(f"sqlite:///{template}")
    return template


@pytest.fixture
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workers]:
    """On SQLite; with ``@on_both``, on PostgreSQL too."""
    if getattr(request, "param", "sqlite") == "postgresql":
        url = request.getfixturevalue("postgres").url
        with psycopg.connect(url) as connection:
            connection.execute("TRUNCATE worker_duty")
    else:
        shutil.copy(request.getfixturevalue("sqlite"), tmp_path)
        url = f"sqlite:///{tmp_path / 'worker.sqlite3'}"
    started = Workers(tmp_path, url)
    yield started
    started.kill()


on_both = pytest.mark.parametrize("workers", ["sqlite", "postgresql"], indirect=True)
on_postgresql = pytest.mark.parametrize("workers", ["postgresql"], indirect=True)
