"""Start the measured servers: the same gunicorn and workers for Keyway and for its peers."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from config.lib.signing_keys import generate
from tests.servers.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60
PASSWORD = "correct horse battery staple"
KEYWAY = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "KEYWAY_ENV_FILE": os.devnull,
    "SECRET_KEY": "a server of the bench, " + "k" * 50,
    "KEYWAY_PEPPERS": "1:YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2g",
    "KEYWAY_SIGNING_KEYS": generate(),
    "KEYWAY_URL": "http://127.0.0.1",
    "ALLOWED_HOSTS": "127.0.0.1",
    # Too high to be reached. The limits are still checked and counted on every request.
    "KEYWAY_LIMIT_KEY": "90000000/m",
    "KEYWAY_LIMIT_ORGANIZATION": "90000000/m",
}
PEERS = {"DJANGO_SETTINGS_MODULE": "benchmarks.peers.settings"}


def environment(settings: dict[str, str], database_url: str) -> dict[str, str]:
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KEYWAY_", "DJANGO_", "PROMETHEUS_"))
    }
    return mine | settings | {"DATABASE_URL": database_url, "PYTHONPATH": str(ROOT)}


def manage(settings: dict[str, str], database_url: str, *arguments: str) -> str:
    """Run a management command, or a module if the name has a dot, and return its output."""
    command = ["-m", *arguments] if "." in arguments[0] else ["-m", "django", *arguments]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(settings, database_url),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


class Server:
    """Context manager that runs a server. `url` is its address."""

    def __init__(
        self,
        settings: dict[str, str],
        application: str,
        database_url: str,
        *,
        workers: int,
        threads: int = 4,
        root: Path = ROOT,
    ) -> None:
        self._root = root.resolve()
        self._folder = tempfile.TemporaryDirectory(prefix="keyway-bench-")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._application = application
        self._environment = environment(settings, database_url) | {
            "PORT": str(self.port),
            "WEB_CONCURRENCY": str(workers),
            "KEYWAY_THREADS": str(threads),
            "KEYWAY_SPOOL": str(Path(self._folder.name) / "spool"),
            "KEYWAY_STATIC_ROOT": self._folder.name,
            "PYTHONPATH": str(self._root),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        (configuration,) = self._root.glob("config/**/gunicorn.py")
        self._process = self._launch("-m", "gunicorn", "-c", str(configuration), self._application)
        if self._application == "config.wsgi" and (self._root / "config/lib/worker").is_dir():
            self._worker = self._launch("manage.py", "work")
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                sys.exit((Path(self._folder.name) / "log").read_text())
            time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        running = [each for each in (self._process, self._worker) if each]
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(30)
        self._folder.cleanup()

    def _launch(self, *arguments: str) -> "subprocess.Popen[bytes]":
        with (Path(self._folder.name) / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self._root / ".venv" / "bin" / "python"), *arguments],
                cwd=self._root,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/nothing-is-here", timeout=2)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True
