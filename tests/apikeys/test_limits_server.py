"""Limits of a running Keyway with several processes and a Redis of its own."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.servers.keyway import KeywayServer
from tests.servers.redis import MISSING, RedisServer, find_redis

pytestmark = [pytest.mark.server, pytest.mark.skipif(find_redis() is None, reason=MISSING)]
PATHS = ("/api/v1/verify", "/api/v1/whoami")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def server(redis: RedisServer) -> Iterator[KeywayServer]:
    # A long wait for Redis: these tests are not about a busy machine.
    limits: dict[str, Any] = {
        "KEYWAY_LIMIT_KEY": "10/m",
        "KEYWAY_LIMIT_REFUSED": "10/m",
        "KEYWAY_LIMIT_SIGN_IN": "10/m",
    }
    with KeywayServer(REDIS_URL=redis.url, KEYWAY_REDIS_WAIT_MS="2000", **limits) as running:
        yield running


def burst(server: KeywayServer, secret: str, count: int = 100) -> list[int]:
    def call(number: int) -> int:
        spoofed = {"X-API-Key": secret, "X-Forwarded-For": f"198.51.100.{number}"}
        return requests.get(
            f"{server.url}{PATHS[number % 2]}", headers=spoofed, timeout=30
        ).status_code

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(call, range(count)))


def test_processes_share_one_count_in_redis(server: KeywayServer) -> None:
    statuses = burst(server, server.key(kind="public", environment="live")["secret"])
    assert sum(status in {200, 204} for status in statuses) == 10
    assert statuses.count(429) == 90


def test_processes_share_the_refusal_count_in_redis(server: KeywayServer) -> None:
    statuses = burst(server, "sk_live_nonsense")
    assert (statuses.count(401), statuses.count(429)) == (10, 90)


@pytest.mark.parametrize(("fault", "environment"), [("kill", "live"), ("hang", "test")])
def test_redis_outage_refuses_no_caller(
    server: KeywayServer, redis: RedisServer, fault: str, environment: str
) -> None:
    secret = server.key(kind="agent", environment=environment)["secret"]
    getattr(redis, fault)()
    try:
        began = time.monotonic()
        statuses = burst(server, secret)
        assert 10 <= sum(status in {200, 204} for status in statuses) + statuses.count(429) == 100
        assert 1 <= sum(status in {200, 204} for status in statuses) <= 10
        page = requests.get(f"{server.url}/accounts/login/", timeout=30)
        assert page.status_code == 200
        fields = {
            "login": "nobody@acme.example",
            "password": "x",
            "csrfmiddlewaretoken": page.cookies["keyway-csrf"],
        }
        answer = requests.post(
            f"{server.url}/accounts/login/", fields, cookies=page.cookies, timeout=30
        )
        assert answer.status_code == 200
        assert time.monotonic() - began < 60
    finally:
        redis.resume() if fault == "hang" else redis.start()
    assert_all_processes_are_back(server, secret)


def assert_all_processes_are_back(server: KeywayServer, secret: str) -> None:
    """Send many requests at once, so that every process gets one."""
    until = time.monotonic() + 30
    while not 0 < logged(server, "is unavailable") == logged(server, "is available again"):
        assert time.monotonic() < until, server.log.read_text()
        burst(server, secret, 16)


def logged(server: KeywayServer, what: str) -> int:
    return server.log.read_text().count(f"Redis (limits) {what}")
