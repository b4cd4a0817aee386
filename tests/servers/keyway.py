"""Real Keyway servers: gunicorn and a worker, with a database of demo data."""

import atexit
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from config.lib.signing_keys import generate
from tests.servers.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
STARTUP_SECONDS = 120  # on a busy machine


class KeywayServer:
    """A context manager. `seed` is what ``seed_demo --json`` printed; `log` is all they wrote."""

    seed: dict[str, Any]

    def __init__(
        self, database_url: str = "", *, workers: int = 2, threads: int = 4, **settings: str
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="keyway-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.folder / "server.log"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KEYWAY_", "DJANGO_"))
        } | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "KEYWAY_ENV_FILE": os.devnull,
            "DATABASE_URL": database_url or f"sqlite:///{self.folder / 'keyway.sqlite3'}",
            "SECRET_KEY": "a server of the tests, " + "k" * 50,
            "KEYWAY_PEPPERS": "1:dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHM",
            "KEYWAY_SIGNING_KEYS": signing_key(),
            "KEYWAY_URL": self.url,
            "KEYWAY_STATIC_ROOT": collected_static_files(),
            "KEYWAY_SPOOL": str(self.folder / "spool"),
            # All clients share one address. Tests of these limits set them.
            "KEYWAY_LIMIT_REFUSED": "",
            "KEYWAY_LIMIT_ISSUE": "",
            "KEYWAY_LIMIT_SIGN_IN": "",
            "PORT": str(self.port),
            "WEB_CONCURRENCY": str(workers),
            "KEYWAY_THREADS": str(threads),
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "KeywayServer":
        if self.environment["DATABASE_URL"].startswith("sqlite"):
            template, seed = seeded_database()
            shutil.copy(template, self.folder)
        else:
            seed = self.seed_afresh()
        self.seed = json.loads(seed)
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        self.process = self.launch(
            "-m", "gunicorn", "-c", "config/serving/gunicorn.py", "config.wsgi"
        )
        self.worker = self.launch("manage.py", "work")
        deadline = time.monotonic() + STARTUP_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()  # __exit__ does not run for what __enter__ raises
                raise RuntimeError(f"Keyway did not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        running = [each for each in (self.process, self.worker) if each and each.poll() is None]
        for process in running:
            process.send_signal(how)
        for process in running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)

    def launch(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start Python beside the server, in its environment and with its log."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def seed_afresh(self) -> str:
        self.manage("migrate", "--verbosity", "0")
        # Without usage, so that tests count from zero.
        return self.manage("seed_demo", "--json", "--force", "--usage-days", "0")

    def manage(self, *arguments: str, **environment: str) -> str:
        """Run a management command as its own process and return what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def user(self, name: str) -> dict[str, Any]:
        return next(user for user in self.seed["users"] if re.match(rf"{name}@", user["email"]))

    def key(self, **facts: Any) -> dict[str, Any]:
        """Return the first seeded key that matches: ``key(kind="agent", environment="live")``."""
        return next(
            key
            for key in self.seed["keys"]
            if all(key[name] == value for name, value in facts.items())
        )

    def access_token(self, *scopes: str) -> tuple[str, str]:
        """Register a service application at Acme. Return an access token and its id (`app_…`)."""
        code = f"""
from apikeys.oauth import services
from apikeys.oauth.models import Purpose
from audit.trail.actor import Actor
from tenants.models import Organization, User
draft = services.Draft(name="Service", purpose=Purpose.SERVICE, scopes={list(scopes)})
acme = Organization.objects.get(slug="acme")
alice = User.objects.get(email="{self.user("alice")["email"]}")
made = services.register(organization=acme, draft=draft, by=Actor.system("tests"), created_by=alice)
print("MADE", made.application.public_id, made.application.client_id, made.plaintext.reveal())
"""
        application, client, secret = self.manage("shell", "-c", code).split("MADE ")[1].split()
        form = urllib.parse.urlencode(
            {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        )
        with urllib.request.urlopen(f"{self.url}/oauth/token", form.encode(), timeout=10) as answer:
            return json.load(answer)["access_token"], application

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/accounts/login/", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@cache
def signing_key() -> str:
    return generate()


@cache
def seeded_database() -> tuple[Path, str]:
    """Seed an SQLite database once per test process. Each server starts with a copy."""
    server = KeywayServer()
    atexit.register(shutil.rmtree, server.folder, ignore_errors=True)
    return server.folder / "keyway.sqlite3", server.seed_afresh()


@cache
def collected_static_files() -> str:
    """Collect the hashed static files once per test process, in var/ for later runs to reuse."""
    folder = ROOT / "var" / "test-static"
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "KEYWAY_ENV_FILE": os.devnull,
        "SECRET_KEY": "only to collect files",
        "KEYWAY_STATIC_ROOT": str(folder),
        "KEYWAY_PEPPERS": "1:dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHM",
    }
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    with (folder.parent / "test-static.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes would overwrite each other's files
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return str(folder)
