"""Throwaway PostgreSQL clusters from installed binaries, on loopback.

``python -m tests.servers.postgres -- CMD…`` runs CMD with one, its address in ``KEYWAY_TEST_DATABASE_URL``.
"""

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg
import pytest

from tests.servers.ports import free_port

MISSING = "PostgreSQL's server binaries (initdb, postgres) were not found. Get them: apt-get install postgresql"
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 60
# Committed data outlives a killed process with these, not a killed machine.
HASTY = {"fsync": "off", "full_page_writes": "off"}


# Reads until we are gone, however that came about, and clears up after us.
WATCH = 'read _; kill -INT "$1"; while kill -0 "$1" 2>/dev/null; do sleep 0.1; done; rm -rf "$2"'


class ServerFailed(Exception):
    pass


def find_binaries() -> Path | None:
    """The folder of the newest PostgreSQL here; the one on PATH goes first."""
    on_path = shutil.which("postgres")
    places = [Path(on_path).resolve().parent] if on_path else []
    installed = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    places += sorted(installed, key=lambda place: float(place.parent.name), reverse=True)
    return next(
        (
            place
            for place in places
            if (place / "initdb").exists() and (place / "postgres").exists()
        ),
        None,
    )


def require_binaries() -> None:
    """Skip the test loudly where there is no PostgreSQL; where CI is true, fail it."""
    if find_binaries() is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)


class PostgresServer:
    """One cluster with a database ``keyway``: ``with PostgresServer(settings={"log_statement": "all"}) as server: server.url``.

    Everybody on loopback is trusted. `durable` keeps fsync on, for tests of what survives. `settings` go
    into postgresql.conf. Stops, and leaves nothing behind, at the end of the block or of the process.
    """

    def __init__(self, *, settings: Mapping[str, str] | None = None, durable: bool = False) -> None:
        binaries = find_binaries()
        if binaries is None:
            raise ServerFailed(MISSING)
        self._binaries = binaries
        self._settings = ({} if durable else HASTY) | dict(settings or {})
        self._user = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.home = Path(tempfile.mkdtemp(prefix="keyway-pg-"))
        self.data = self.home / "data"
        atexit.register(self.close)
        self._create()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return self.url_of("keyway")

    def url_of(self, database: str) -> str:
        return f"postgres://keyway@127.0.0.1:{self.port}/{database}"

    @property
    def log_directory(self) -> Path:
        """Where the logging collector writes, when `settings` turned it on."""
        return self.data / self._settings.get("log_directory", "log")

    @property
    def binaries(self) -> Path:
        """The folder of psql, pgbench and the rest."""
        return self._binaries

    def start(self) -> None:
        """Return when connections are accepted. The port is the same at every start."""
        if self.port:
            self._launch()
            return
        # Somebody may take the free port before PostgreSQL does.
        for attempt in range(5):
            self.port = free_port()
            try:
                self._launch()
            except ServerFailed:
                if attempt == 4:
                    raise
            else:
                break
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE keyway")

    def stop(self) -> None:
        """Stop in order, ending connections. Stopping a stopped server does nothing."""
        self._unwatch()
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STOP_TIMEOUT_SECONDS)

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL the postmaster and every backend: what was not written through is gone."""
        self._unwatch()
        if self._process is None or self._process.poll() is not None:
            return
        postmaster = psutil.Process(self._process.pid)
        postmaster.suspend()  # it would start new ones while we look
        family = [*postmaster.children(recursive=True), postmaster]
        for process in family:
            process.kill()
        self._process.wait(STOP_TIMEOUT_SECONDS)
        psutil.wait_procs(family, timeout=STOP_TIMEOUT_SECONDS)

    def close(self) -> None:
        """Stop and remove everything."""
        atexit.unregister(self.close)
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _create(self) -> None:
        if self._user:
            shutil.chown(self.home, self._user, pwd.getpwnam(self._user).pw_gid)
        command = [
            str(self._binaries / "initdb"),
            "-D",
            str(self.data),
            "-U",
            "keyway",
            "-A",
            "trust",
            "-E",
            "UTF8",
        ]
        command += ["--locale=C.UTF-8", "--no-sync"]
        made = subprocess.run(command, **self._as_user(), capture_output=True, check=False)
        if made.returncode:
            self.close()
            raise ServerFailed(str(made.stderr, errors="replace"))
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.home),
            "max_connections": "200",
        }
        with (self.data / "postgresql.conf").open("a") as configuration:
            for name, value in (settings | self._settings).items():
                quoted = value.replace("'", "''")
                configuration.write(f"{name} = '{quoted}'\n")

    def _launch(self) -> None:
        log = self.home / "server.log"
        command = [str(self._binaries / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        with log.open("ab") as stderr:
            # A session of its own, so that an interrupt typed at the terminal does not end it before we do.
            self._process = process = subprocess.Popen(
                command,
                **self._as_user(),
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,
            )
        self._watch(process)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._accepts():
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(log.read_text(errors="replace"))
            time.sleep(0.05)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """A killed test run must leave no server behind. Our end of the pipe closes with us."""
        command = ["sh", "-c", WATCH, "sh", str(process.pid), str(self.home)]
        self._watcher = subprocess.Popen(
            command, **self._as_user(), stdin=subprocess.PIPE, start_new_session=True
        )

    def _unwatch(self) -> None:
        if self._watcher and self._watcher.stdin:
            self._watcher.kill()
            self._watcher.stdin.close()
            self._watcher.wait()
        self._watcher = None

    def _accepts(self) -> bool:
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _as_user(self) -> dict[str, Any]:
        where: dict[str, Any] = {
            "cwd": self.home,
            "env": {"PATH": os.environ.get("PATH", ""), "TZ": "UTC"},
        }
        if self._user:
            where |= {
                "user": self._user,
                "group": pwd.getpwnam(self._user).pw_gid,
                "extra_groups": [],
            }
        return where


def _unprivileged() -> str:
    """Who runs the server: PostgreSQL refuses to run as root. Empty when that is not what we are."""
    if os.geteuid():
        return ""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def main(arguments: Sequence[str]) -> int:
    """Run a command with a database. Returns its exit status."""
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    if given := os.environ.get("TEST_DATABASE_URL"):
        return _run(command, given)
    if find_binaries() is None:
        print(
            f"\n*** SKIPPED on PostgreSQL: {' '.join(command)}\n*** {MISSING}\n*** or set TEST_DATABASE_URL.\n",
            file=sys.stderr,
        )
        return 1 if os.environ.get("CI") == "true" else 0
    with PostgresServer() as server:
        return _run(command, server.url)


def _run(command: list[str], url: str) -> int:
    process = subprocess.Popen(command, env=os.environ | {"KEYWAY_TEST_DATABASE_URL": url})
    # An interrupt reaches the command too: let it end by itself, then stop the server.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    status = process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
