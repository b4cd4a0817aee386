"""Rotate the key of many real agents while their hosts are killed and restarted at random.

Run ``python -m tests.agent.rotation --agents 50``; test_rotation_of_agents.py is the short run.

Every agent tails a log of its own, which grows all the time, and sends it to a real server with a
worker. The rotation finishes itself with the last host. One host is held back until all others have
moved, and must be named alone until it moves. Afterwards no request may have been refused, and each
logged statement must be stored exactly once.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import requests

from tests.agent.running import AgentProcess
from tests.servers.keyway import KeywayServer

PATIENCE_SECONDS = 180.0
LINE = (
    "2026-11-21 04:42:00.000 UTC,alice,shop,1,10.0.0.1:5,6b01.1,{number},SELECT,"
    "2026-11-21 04:42:00 UTC,3/4,0,LOG,00000,\"statement: select '{host}', {number}\""
    ",,,,,,,,,app,client backend,,0\n"
)


class Host:
    """A host with an agent and a log that grows."""

    def __init__(self, folder: Path, name: str, server: KeywayServer, secret: str) -> None:
        self.name, self.written = name, 0
        self._logs = folder / "log"
        folder.mkdir()
        self._logs.mkdir()
        source = {"Type": "postgresql-csvlog", "Path": str(self._logs)}
        self.agent = AgentProcess(
            folder / "agent", ServerUrl=server.url, AgentApiKey=secret, Host=name, Source=source
        )

    def log(self) -> None:
        self.written += 1
        with (self._logs / "postgresql.csv").open("ab") as file:
            file.write(LINE.format(host=self.name, number=self.written).encode())

    def restart(self, secret: str | None = None) -> None:
        self.agent.kill()
        if secret:
            self.agent.configure(AgentApiKey=secret)
        self.agent.start()


class Admin:
    """Alice, over the API."""

    def __init__(self, server: KeywayServer) -> None:
        self._url = f"{server.url}/api/v1"
        user = server.user("alice")
        login = {"email": user["email"], "password": user["password"]}
        token = requests.post(f"{self._url}/auth/login", json=login, timeout=30).json()
        self._headers = {"Authorization": f"Bearer {token['access_token']}"}

    def send(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        address = f"{self._url}/api-keys{path}"
        answer = requests.request(
            method, address, headers=self._headers, json=body or None, timeout=30
        )
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="of the order and the restarts")
    parser.add_argument("--keep-one", action="store_true", help="never move the last host")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with (
        tempfile.TemporaryDirectory(prefix="keyway-hosts-") as folder,
        KeywayServer(KEYWAY_LIMIT_KEY="", KEYWAY_LIMIT_ORGANIZATION="") as server,
        ExitStack() as stack,
    ):
        admin = Admin(server)
        organization = next(
            key["organization_id"]
            for key in admin.send("GET", "?kind=agent")["data"]
            if key["status"] == "active"
        )
        key = admin.send("POST", "", name="Fleet", kind="agent", organization_id=organization)
        hosts = [
            Host(Path(folder) / f"{number}", f"pg-{number:02}", server, key["key"])
            for number in range(options.agents)
        ]
        for host in hosts:
            stack.enter_context(host.agent)
            host.agent.start()
        stop = threading.Event()
        writer = threading.Thread(target=grow, args=[hosts, stop, random.Random(options.seed)])
        writer.start()
        try:
            flaws = rotate(admin, key["id"], hosts, chance, moves_last=not options.keep_one)
        finally:
            stop.set()
            writer.join()
        flaws += lost(server, hosts) + refused(admin, key["id"])
    for flaw in flaws:
        print(f"FLAW: {flaw}")
    print(
        f"{len(hosts)} agents, {sum(host.written for host in hosts)} statements: {len(flaws)} flaws"
    )
    return 1 if flaws else 0


def grow(hosts: list[Host], stop: threading.Event, chance: random.Random) -> None:
    while not stop.wait(0.02):
        chance.choice(hosts).log()


def rotate(
    admin: Admin, key_id: str, hosts: list[Host], chance: random.Random, *, moves_last: bool
) -> list[str]:
    """Move one host after another, and restart others on the way. Return what went wrong."""
    rotation = {"grace": 24 * 3600, "finish_with_last_host": True}
    rotated = admin.send("POST", f"/{key_id}/rotate", **rotation)
    *moving, held = chance.sample(hosts, len(hosts))
    for host in moving:
        host.restart(rotated["key"])
        # A restart of any host, moved or not, at any moment of its work.
        chance.choice(hosts).restart()
        time.sleep(chance.uniform(0, 0.3))
    names = [held.name]
    flaws = []
    if not wait(lambda: left(admin, key_id) == names, "all but one"):
        flaws.append(f"not moved: {left(admin, key_id)}, should be {names}")
        flaws += [f"{host.name}: {host.agent.log[-500:]}" for host in moving]
    if not wait(lambda: states(admin, key_id) == ["live", "retiring"], "the first use"):
        flaws.append(f"before the last host, the secrets are {states(admin, key_id)}")
    if moves_last:
        held.restart(rotated["key"])
    if not wait(lambda: states(admin, key_id) == ["live"], "the end", 30 if not moves_last else 0):
        flaws.append(f"not finished: {left(admin, key_id)} and {states(admin, key_id)}")
    return flaws


def left(admin: Admin, key_id: str) -> list[str] | None:
    hosts: dict[str, list[str]] | None = admin.send("GET", f"/{key_id}")["hosts"]
    return hosts["remaining"] if hosts else None


def states(admin: Admin, key_id: str) -> list[str]:
    return [secret["state"] for secret in admin.send("GET", f"/{key_id}")["secrets"]]


def wait(is_so: Callable[[], object], what: str, seconds: float = 0) -> bool:
    deadline = time.monotonic() + (seconds or PATIENCE_SECONDS)
    while not is_so():
        if time.monotonic() > deadline:
            print(f"Gave up waiting for {what}.", flush=True)
            return False
        time.sleep(0.2)
    return True


def lost(server: KeywayServer, hosts: list[Host]) -> list[str]:
    """Return the hosts whose statements were not all stored, or not once."""
    names = [host.name for host in hosts]
    code = f"""
import json
from audit.models import ActivityEvent
rows = ActivityEvent.objects.filter(host__in={names}, statement__startswith="select 'pg-")
print("STORED", json.dumps(list(rows.values_list("host", "statement"))))
"""

    def stored() -> Counter[tuple[str, str]]:
        rows = json.loads(server.manage("shell", "-c", code).split("STORED ")[1])
        return Counter((host, statement) for host, statement in rows)

    written = Counter(
        (host.name, f"select '{host.name}', {number + 1}")
        for host in hosts
        for number in range(host.written)
    )
    wait(lambda: stored().total() >= written.total(), "the last events", 60)
    found = stored()
    missing, extra = written - found, found - written
    return [f"lost {each}" for each in missing] + [f"stored too often {each}" for each in extra]


def refused(admin: Admin, key_id: str) -> list[str]:
    denials = admin.send("GET", f"/{key_id}/usage")["denials"]
    return [f"{denial['count']} requests were refused: {denial['reason']}" for denial in denials]


if __name__ == "__main__":
    sys.exit(main())
