"""Concurrent senders of the same events: each event is stored once and no sender is refused."""

import json
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from django.db import connection, transaction

from audit.activity.ingest import Outcome, Partition
from audit.models import ActivityEvent
from config.lib.environment import Environment
from tests.audit.events import event, send
from tests.servers.keyway import KeywayServer

SENDERS = 6
BATCHES = 24
BATCH = 60


class RolledBack(Exception):
    pass


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite lets one writer in at a time"
)
@pytest.mark.parametrize(("first_commits", "expected"), [(True, (0, 3)), (False, (3, 0))])
def test_concurrent_sender_waits_then_finds_duplicates(
    first_commits: bool, expected: tuple[int, int]
) -> None:
    partition, events = Partition(uuid.uuid4(), Environment.LIVE), [event() for _ in range(3)]
    with ThreadPoolExecutor() as threads:
        try:
            with transaction.atomic():
                assert send(partition, events).accepted == 3
                second = threads.submit(
                    in_own_connection, lambda: send(partition, [*reversed(events)])
                )
                wait_until(a_sender_waits_for_a_lock)
                if not first_commits:
                    raise RolledBack
        except RolledBack:
            pass
        outcome = second.result(timeout=10)
    assert (outcome.accepted, outcome.duplicate, outcome.rejected) == (*expected, [])
    assert ActivityEvent.objects.count() == 3


def in_own_connection(work: Callable[[], Outcome]) -> Outcome:
    try:
        return work()
    finally:
        connection.close()


def a_sender_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        # PostgreSQL otherwise shows the same statistics until the transaction ends.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND query LIKE 'COPY%'"
        )
        return bool(cursor.fetchone()[0])


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def database_url() -> Iterator[str]:
    """Create a database on the lane's PostgreSQL. Without one, the server uses an SQLite file."""
    lane = os.environ.get("KEYWAY_TEST_DATABASE_URL")
    if not lane:
        yield ""
        return
    name = f"senders_{uuid.uuid4().hex}"
    with psycopg.connect(lane, autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name}")
        yield urlsplit(lane)._replace(path=f"/{name}").geturl()
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.server
def test_many_unreliable_senders_store_each_event_once(
    database_url: str,
) -> None:
    marker = f"host-{uuid.uuid4().hex}"
    events = [
        event(host=marker, event_time=f"2025-11-20T10:00:00.{n:06d}Z")
        for n in range(BATCHES * BATCH)
    ]
    batches = [events[start : start + BATCH] for start in range(0, len(events), BATCH)]
    with KeywayServer(database_url) as server:
        acme = server.seed["organizations"][0]["id"]
        agent, reader = (
            server.key(kind=kind, environment="live", organization=acme)["secret"]
            for kind in ("agent", "public")
        )
        before = read_all(server, reader)
        senders = [Sender(server, agent, batches, number) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        after = read_all(server, reader)
    assert not [
        response for sender in senders for response in sender.responses if response[0] != 200
    ]
    assert sorted(row["event_id"] for row in after if row["host"] == marker) == sorted(
        one["event_id"] for one in events
    )
    assert [row for row in after if row["host"] != marker] == before
    bodies = [body for sender in senders for _, body in sender.responses]
    assert sum(body["accepted"] for body in bodies) <= len(events)
    assert not [body for body in bodies if body["rejected"]]


class Sender(threading.Thread):
    """Sends every batch in random order. For a fifth of them, first hangs up midway."""

    def __init__(
        self, server: KeywayServer, secret: str, batches: list[list[dict[str, Any]]], seed: int
    ) -> None:
        super().__init__()
        self.server, self.secret, self.batches, self.chance = (
            server,
            secret,
            batches,
            random.Random(seed),
        )
        self.responses: list[tuple[int, dict[str, Any]]] = []

    def run(self) -> None:
        with requests.Session() as session:
            session.headers["X-API-Key"] = self.secret
            for batch in self.chance.sample(self.batches, len(self.batches)):
                events = self.chance.sample(batch, len(batch))
                if self.chance.random() < 0.2:
                    self.hang_up(json.dumps(events).encode())
                response = session.post(
                    f"{self.server.url}/api/v1/agent/events", json=events, timeout=60
                )
                self.responses.append((response.status_code, response.json()))

    def hang_up(self, body: bytes) -> None:
        head = (
            f"POST /api/v1/agent/events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {self.secret}\r\n"
        )
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.server.port)) as wire:
            wire.sendall(
                head.encode()
                + body[: self.chance.choice([0, len(body) // 2, len(body) - 1, len(body)])]
            )


def read_all(server: KeywayServer, secret: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    address: str | None = f"{server.url}/api/v1/public/audit-activity?limit=1000"
    while address:
        response = requests.get(address, headers={"X-API-Key": secret}, timeout=60)
        assert response.status_code == 200
        rows += response.json()["data"]
        address = response.links.get("next", {}).get("url")
    return rows
