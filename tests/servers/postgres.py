"""Throwaway PostgreSQL clusters from installed binaries, on loopback.

``python -m tests.servers.postgres -- CMD…`` runs CMD with the URL of a cluster in
``KEYWAY_TEST_DATABASE_URL``.
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

MISSING = (
    "PostgreSQL's server binaries (initdb, postgres) were not found. "
    "Install them: apt-get install postgresql"
)
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 60
# With these, committed data survives a killed process but not a crashed machine.
HASTY = {"fsync": "off", "full_page_writes": "off"}


# Waits until this process is gone, even by SIGKILL, then stops the server and removes its files.
WATCH = 'read _; kill -INT "$1"; while kill -0 "$1" 2>/dev/null; do sleep 0.1; done; rm -rf "$2"'


class ServerFailed(Exception):
    pass


def find_binaries() -> Path | None:
    """Return the folder of PostgreSQL on PATH, otherwise of the newest one installed."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    installed = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    folders += sorted(installed, key=lambda folder: float(folder.parent.name), reverse=True)
    return next(
        (
            folder
            for folder in folders
            if (folder / "initdb").exists() and (folder / "postgres").exists()
        ),
        None,
    )


def require_binaries() -> None:
    """Without PostgreSQL, skip the test with a message, or fail it if CI is true."""
    if find_binaries() is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)


class PostgresServer:
    """A cluster with a database ``keyway``. Use as a context manager.

    ``with PostgresServer(settings={"log_statement": "all"}) as server: server.url``

    Trusts every connection on loopback. `durable` keeps fsync on, for tests of durability.
    `settings` are written to postgresql.conf. Stops and removes its files at the end of the block
    or of the process.
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
        """The folder of the logging collector, if `settings` turned it on."""
        return self.data / self._settings.get("log_directory", "log")

    @property
    def binaries(self) -> Path:
        """The folder of psql, pgbench and the rest."""
        return self._binaries

    def start(self) -> None:
        """Return once connections are accepted. The port stays the same across restarts."""
        if self.port:
            self._launch()
            return
        # Another process may take the free port before PostgreSQL does.
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
        """Shut down and end all connections. Does nothing if the server is stopped."""
        self._unwatch()
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STOP_TIMEOUT_SECONDS)

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL the postmaster and every backend, which loses unflushed writes."""
        self._unwatch()
        if self._process is None or self._process.poll() is not None:
            return
        postmaster = psutil.Process(self._process.pid)
        postmaster.suspend()  # so that it starts no new processes meanwhile
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
            # In its own session, so that Ctrl-C at the terminal does not end it before the tests.
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
        """Stop the server even if the test run is killed, which closes its end of the pipe."""
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
    """Return the user to run the server as, because PostgreSQL refuses to run as root.

    Empty if this process is not root.
    """
    if os.geteuid():
        return ""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def main(arguments: Sequence[str]) -> int:
    """Run a command with a database and return its exit status."""
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    if given := os.environ.get("TEST_DATABASE_URL"):
        return _run(command, given)
    if find_binaries() is None:
        print(
            f"\n*** SKIPPED on PostgreSQL: {' '.join(command)}"
            f"\n*** {MISSING}\n*** or set TEST_DATABASE_URL.\n",
            file=sys.stderr,
        )
        return 1 if os.environ.get("CI") == "true" else 0
    with PostgresServer() as server:
        return _run(command, server.url)


def _run(command: list[str], url: str) -> int:
    process = subprocess.Popen(command, env=os.environ | {"KEYWAY_TEST_DATABASE_URL": url})
    # Ctrl-C reaches the command too. Let it end by itself, then stop the server.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    status = process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
