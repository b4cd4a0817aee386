"""Measure batch ingest over HTTP: Keyway and a DRF serializer with bulk_create, one worker each."""

import json
import multiprocessing
import random
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any

from benchmarks.servers import Server
from config.lib.ids import uuid7

BATCH = 1000
# As many as the worker has threads, so that the worker stays busy while one waits for the database.
AGENTS = 8
_STATEMENTS = [
    "SELECT * FROM dbo.Orders WHERE customer_id = @id AND status <> 'void'",
    "UPDATE dbo.Customers SET email = @email WHERE id = @id",
    "EXEC dbo.CloseMonth @year = 2026, @month = 10",
]


def event(at: datetime, number: int, host: str) -> dict[str, Any]:
    return {
        "event_id": str(uuid7()),
        "event_time": (at - timedelta(milliseconds=number)).isoformat(),
        "host": host,
        "action_id": "SL",
        "action_name": "SELECT",
        "succeeded": random.random() < 0.97,
        "server_principal_name": f"app_user_{number % 7}",
        "database_principal_name": "app",
        "server_instance_name": "PROD01",
        "database_name": "Sales",
        "schema_name": "dbo",
        "object_name": "Orders",
        "statement": _STATEMENTS[number % len(_STATEMENTS)],
        "client_ip": f"10.1.2.{number % 250}",
        "application_name": "webshop",
        "host_name": f"web{number % 9}",
        "session_id": str(50 + number % 200),
    }


def bodies(count: int) -> list[bytes]:
    """Return the batches of one agent, all of one host."""
    at, host = datetime.now(UTC), f"db{random.randrange(10**6)}.acme.example"
    return [
        json.dumps([event(at, number, host) for number in range(BATCH)]).encode()
        for _ in range(count)
    ]


def send(
    port: int, path: str, headers: dict[str, str], batches: int, start: Any, done: Any
) -> None:
    """Act as one agent, in its own process. Batches are created before the clock starts."""
    ready = bodies(batches)
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    start.wait()
    for body in ready:
        connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        outcome = json.loads(answer.read())
        if answer.status != 200 or outcome["accepted"] != BATCH:
            done.put(f"{path} answered {answer.status}: {outcome}")
            return
    done.put("")


def rate(server: Server, path: str, headers: Sequence[dict[str, str]], *, batches: int) -> float:
    """Return events per second, with one concurrent agent per entry of `headers`."""
    start = multiprocessing.Barrier(len(headers) + 1)
    done: multiprocessing.Queue[str] = multiprocessing.Queue()
    agents = [
        multiprocessing.Process(target=send, args=(server.port, path, each, batches, start, done))
        for each in headers
    ]
    for agent in agents:
        agent.start()
    start.wait()
    began = time.perf_counter()
    failures = [failure for _ in agents if (failure := done.get(timeout=600))]
    took = time.perf_counter() - began
    for agent in agents:
        agent.join()
    if failures:
        raise SystemExit(failures[0])
    return len(agents) * batches * BATCH / took


def measure(
    keyway: Server, peers: Server, secrets: Sequence[str], *, rounds: int
) -> tuple[float, float]:
    """Return the median events per second of Keyway and the peer, measured in turns."""
    ours, theirs = [], []
    headers = [{"X-API-Key": secret} for secret in secrets[:AGENTS]]
    for _ in range(rounds):
        ours.append(rate(keyway, "/api/v1/agent/events", headers, batches=40))
        theirs.append(rate(peers, "/events", [{} for _ in headers], batches=4))
    return statistics.median(ours), statistics.median(theirs)
