"""Set up and start a local Keyway with demo data: `make run`, `make dev`.

``python -m config.serving.run [--reload]``. A second run keeps the first one's secrets and data.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from config.lib import secrets_file, supervise

ROOT = Path(__file__).resolve().parents[2]
VAR = ROOT / "var"
DEMO = VAR / "demo.json"
AGENTS = VAR / "demo-agents"
AGENT_PROGRAM = ROOT / "clients" / "agent" / "src"
EVENTS_PER_SECOND = "0.1"
HOST = "127.0.0.1"


def main() -> None:
    port = os.environ.get("PORT", "8000")
    address = f"http://{HOST}:{port}"
    _need_free(port)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("KEYWAY_LOG_FORMAT", "console")
    os.environ |= {
        "KEYWAY_URL": address,
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "PORT": port,
        "HOST": HOST,
    }
    if written := secrets_file.write(VAR / "keyway.env"):
        _say(f"Wrote generated secrets to var/keyway.env (mode 0600): {', '.join(written)}.")
    _manage("migrate", "--verbosity", "0")
    _manage("collectstatic", "--noinput", "--verbosity", "0")
    _seed()
    _welcome(address)
    server = [sys.executable, "-m", "gunicorn", "-c", "config/serving/gunicorn.py", "config.wsgi"]
    server += [option for option in sys.argv[1:] if option == "--reload"]
    worker = [sys.executable, "manage.py", "work"]
    sys.exit(supervise.run(server, worker, folder=ROOT, companions=_agents(address)))


def _need_free(port: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(port)))
        except (OSError, OverflowError, ValueError):
            sys.exit(f"Port {port} is invalid or already in use. Try: make run PORT=8001")


def _seed() -> None:
    """Seed an empty database, and store the demo's passwords in a file only this user can read."""
    seeded = _manage("seed_demo", "--json", "--force", "--if-empty")
    if seeded.strip():
        _write_privately(DEMO, seeded)


def _agents(address: str) -> list[supervise.Companion]:
    """Return the demo's agents. Each sends a simulated server's events and its heartbeats.

    Companions, because an agent ends when a visitor revokes its key, and Keyway must not.
    """
    demo = json.loads(DEMO.read_text()) if DEMO.is_file() else {}
    return [_agent(address, **agent) for agent in demo.get("agents", [])]


def _agent(address: str, *, host: str, secret: str) -> supervise.Companion:
    folder = AGENTS / host
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = {
        "ServerUrl": address,
        "AgentApiKey": secret,
        "Host": host,
        "StateDirectory": str(folder / "state"),
        "Source": {"Type": "simulate"},
    }
    path = folder / "agent.json"
    _write_privately(path, json.dumps(configuration))
    command = [sys.executable, "-m", "keyway_agent", "--config", str(path)]
    return supervise.Companion(
        [*command, "--simulate", EVENTS_PER_SECOND],
        os.environ | {"PYTHONPATH": str(AGENT_PROGRAM)},
        folder / "agent.log",
    )


def _write_privately(path: Path, content: str) -> None:
    """Write a file that only this user can read, because it holds secrets."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)


def _welcome(address: str) -> None:
    _say(f"\nKeyway runs at {address}\n")
    if not DEMO.is_file():
        return
    demo = json.loads(DEMO.read_text())
    _say("Demo accounts (stored in var/demo.json):")
    for user in demo["users"]:
        _say(f"  {user['email']:24} {user['password']:20} {user['role'] or 'platform staff'}")
    key = next(
        key for key in demo["keys"] if key["kind"] == "public" and key["environment"] == "live"
    )
    call = f"'{address}/api/v1/public/audit-activity?limit=2'"
    _say(f"\nTry:\n  curl -s -H 'X-API-Key: {key['secret']}' {call}\n")


def _manage(*arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  our own manage.py
    if done.returncode:
        sys.exit(f"manage.py {arguments[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
