"""A killed database: a running Keyway fails closed, fails fast, and recovers by itself."""

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.servers.keyway import KeywayServer
from tests.servers.postgres import PostgresServer, require_binaries

pytestmark = pytest.mark.server

PATHS = ("/api/v1/verify", "/api/v1/whoami", "/api/v1/public/audit-activity", "/api/v1/api-keys")
LEASE_SECONDS = 0.25
BACK_SECONDS = 60


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    require_binaries()
    with PostgresServer() as postgres:
        yield postgres


@pytest.fixture(scope="module")
def server(postgres: PostgresServer) -> Iterator[KeywayServer]:
    with KeywayServer(postgres.url) as server:
        yield server


def ask(server: KeywayServer, path: str, secret: str = "") -> requests.Response:
    headers = {"X-API-Key": secret} if secret else {}
    return requests.get(server.url + path, headers=headers, timeout=30, allow_redirects=False)


def seconds_of(server: KeywayServer, secret: str) -> float:
    began = time.monotonic()
    assert ask(server, "/api/v1/verify", secret).status_code == 503
    return time.monotonic() - began


def test_database_outage_is_503_and_recovers(
    server: KeywayServer, postgres: PostgresServer
) -> None:
    secret, other = (
        server.key(kind="public", environment=environment)["secret"]
        for environment in ("live", "test")
    )
    assert ask(server, "/api/v1/whoami", secret).status_code == 200
    postgres.kill()
    time.sleep(LEASE_SECONDS)
    try:
        for path in PATHS:
            for presented in (secret, other):
                began = time.monotonic()
                answer = ask(server, path, presented)
                problem = (answer.status_code, answer.json()["code"])
                assert problem == (503, "unavailable"), path
                assert int(answer.headers["Retry-After"]) >= 1
                assert time.monotonic() - began < 5
        # A connection attempt takes two seconds, and one caller at a time makes it for its process.
        with ThreadPoolExecutor(8) as callers:
            assert (
                statistics.median(callers.map(lambda _: seconds_of(server, secret), range(40))) < 1
            )
        assert ask(server, "/readyz").status_code == 503
        assert ask(server, "/healthz").status_code == 200
        # A secret with a wrong tag is refused without the database.
        assert ask(server, "/api/v1/verify", secret[:-4] + "AAAA").status_code == 401
    finally:
        postgres.start()
    until, well = time.monotonic() + BACK_SECONDS, 0
    while well < 20:  # enough to reach every worker
        assert time.monotonic() < until, "it did not recover by itself"
        statuses = {
            ask(server, path, presented).status_code
            for path in PATHS
            for presented in (secret, other)
        }
        assert statuses <= {200, 204, 403, 503}
        well = 0 if 503 in statuses else well + len(PATHS)
