"""Limits as callers see them, at the API and at the gateway."""

import json
import re
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from apikeys import services as keys
from apikeys.services import Issued
from apikeys.verify import hashing, judge, secret
from apikeys.verify.denials import Denial, Reason
from config.lib.limits import limiter
from config.lib.peppers import parse_peppers
from config.lib.rates import Rate
from tests.apikeys.test_gateway import ask
from tests.conftest import SYSTEM, api
from tests.wsgi import Answer

pytestmark = pytest.mark.django_db
WHOAMI = "/api/v1/whoami"
Limit = Callable[..., None]


@pytest.fixture
def limit(settings: Settings) -> Limit:
    """``limit(key=(10, 60))`` sets this limit and turns all others off."""

    def only(**rates: tuple[int, int]) -> None:
        settings.KEYWAY_LIMITS = dict.fromkeys(settings.KEYWAY_LIMITS) | {
            name: Rate(*rate) for name, rate in rates.items()
        }

    return only


def ask_the_api(issued: Issued | None = None, **environ: str) -> Answer:
    answer: Any = api(issued, **environ).get(WHOAMI)
    return Answer(answer.status_code, dict(answer.headers), answer.content)


both = pytest.mark.parametrize("present", [ask, ask_the_api])


@both
def test_key_limit_accepts_ten_of_a_hundred(
    present: Any, limit: Limit, public_key: Issued, globex_public_key: Issued
) -> None:
    limit(key=(10, 60))
    answers = [present(public_key).status for _ in range(100)]
    assert [status < 300 for status in answers] == [True] * 10 + [False] * 90
    assert set(answers[10:]) == {429}
    assert present(globex_public_key).status < 300


@both
def test_limited_response_says_when_to_retry(
    present: Any, limit: Limit, public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()  # it stands, or the seconds told would be fewer with each request
    monkeypatch.setattr(limiter, "time", SimpleNamespace(monotonic=lambda: now))
    limit(key=(2, 60), organization=(100, 3600))
    for left in (1, 0):
        headers = present(public_key).headers
        assert headers["RateLimit-Policy"] == '"key";q=2;w=60, "organization";q=100;w=3600'
        assert re.fullmatch(
            rf'"key";r={left};t=6[01], "organization";r=\d+;t=3[56]\d\d', headers["RateLimit"]
        )
    answer = present(public_key)
    body = json.loads(answer.body)
    assert (answer.status, body["code"], answer.headers["Content-Type"]) == (
        429,
        "rate_limited",
        "application/problem+json",
    )
    assert "WWW-Authenticate" not in answer.headers
    found = re.match(r'"key";r=0;t=(\d+), "organization";r=98;', answer.headers["RateLimit"])
    assert found
    assert answer.headers["Retry-After"] == found[1]
    assert f"2 requests in 60 seconds. Try again in {found[1]} seconds." in body["detail"]


def test_api_and_gateway_count_together(limit: Limit, public_key: Issued) -> None:
    limit(key=(4, 60))
    statuses = [
        present(public_key).status
        for present in (ask, ask_the_api, ask, ask_the_api, ask, ask_the_api)
    ]
    assert statuses == [204, 200, 204, 200, 429, 429]


@both
def test_organization_limit_is_shared_by_its_keys(
    present: Any, limit: Limit, public_key: Issued, agent_key: Issued, globex_public_key: Issued
) -> None:
    limit(organization=(10, 60))
    accepted = [
        present(issued).status < 300 for _ in range(20) for issued in (public_key, agent_key)
    ]
    assert sum(accepted) == 10
    assert json.loads(present(agent_key).body)["detail"].startswith("The keys of this organization")
    assert present(globex_public_key).status < 300


def test_denied_request_still_spends_the_key_limit(limit: Limit, public_key: Issued) -> None:
    limit(key=(3, 60))
    codes = [ask(public_key, "environment=test").code for _ in range(5)]
    assert codes == ["wrong_environment"] * 3 + ["rate_limited"] * 2


SPOOFED: list[dict[str, Callable[[int], str]]] = [
    {"HTTP_X_FORWARDED_FOR": lambda n: f"198.51.{n}.1"},
    {"HTTP_X_REAL_IP": lambda n: f"198.51.{n}.1"},
    {"HTTP_FORWARDED": lambda n: f"for=198.51.{n}.1"},
    {"HTTP_CLIENT_IP": lambda n: f"198.51.{n}.1", "HTTP_TRUE_CLIENT_IP": lambda n: f"198.51.{n}.1"},
]


@both
@pytest.mark.parametrize("headers", SPOOFED)
def test_spoofed_address_header_buys_nothing(
    present: Any, headers: dict[str, Any], limit: Limit
) -> None:
    limit(refused=(10, 60))
    statuses = [
        present(
            HTTP_X_API_KEY="sk_live_nonsense", **{name: make(n) for name, make in headers.items()}
        ).status
        for n in range(100)
    ]
    assert (statuses.count(401), statuses.count(429)) == (10, 90)


def test_networks_behind_a_trusted_proxy_count_apart(limit: Limit, settings: Settings) -> None:
    limit(refused=(2, 60))
    settings.KEYWAY_TRUSTED_PROXIES = 1

    def codes(address: str) -> list[str]:
        forwarded = f"203.0.113.{len(address)}, {address}"
        return [
            ask(HTTP_X_API_KEY="nonsense", HTTP_X_FORWARDED_FOR=forwarded).code for _ in range(3)
        ]

    for address in ("198.51.100.7", "192.0.2.7", "2001:db8:1::1"):
        assert codes(address) == ["invalid_key", "invalid_key", "rate_limited"]
    for neighbour in ("198.51.100.8", "2001:db8:1:ffff::2", "::ffff:192.0.2.8"):
        assert codes(neighbour) == ["rate_limited"] * 3


@both
def test_limited_network_does_not_block_valid_keys(
    present: Any, limit: Limit, public_key: Issued, agent_key: Issued
) -> None:
    limit(refused=(3, 60))
    for _ in range(10):
        refused = present(HTTP_X_API_KEY="sk_live_nonsense")
    assert refused.status == 429
    assert present(public_key).status < 300
    assert present(agent_key).status < 300


@both
def test_revoked_key_past_the_limit_costs_nothing(
    present: Any,
    limit: Limit,
    public_key: Issued,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    limit(refused=(3, 60))
    keys.revoke(key=public_key.key, by=SYSTEM)
    assert [json.loads(present(public_key).body)["code"] for _ in range(3)] == ["revoked_key"] * 3
    hashing.memory.clear()
    judge._leases.clear()
    monkeypatch.setattr(hashing, "PasswordHasher", None)
    with django_assert_num_queries(0):
        answers = [present(public_key) for _ in range(5)]
    assert {(answer.status, json.loads(answer.body)["code"]) for answer in answers} == {
        (429, "rate_limited")
    }


def test_unknown_secret_past_the_limit_costs_no_query(
    limit: Limit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    limit(refused=(2, 60))
    pepper = parse_peppers("1:dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHM")[0]
    stray = secret.mint("sk", "live", pepper).plaintext.reveal()
    with django_assert_num_queries(2):
        assert [ask(HTTP_X_API_KEY=stray).code for _ in range(2)] == ["invalid_key"] * 2
    with django_assert_num_queries(0):
        assert [ask(HTTP_X_API_KEY=stray).code for _ in range(5)] == ["rate_limited"] * 5


def test_resumed_key_spends_its_own_quota_again(limit: Limit, public_key: Issued) -> None:
    limit(refused=(5, 60))
    keys.pause(key=public_key.key, by=SYSTEM)
    assert ask(public_key).code == "paused_key"
    keys.resume(key=public_key.key, by=SYSTEM)
    judge._leases.clear()
    assert [ask(public_key).status for _ in range(20)] == [204] * 20


def test_our_own_failure_spends_nothing(
    limit: Limit, public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(refused=(3, 60))
    with monkeypatch.context() as broken:
        broken.setattr(
            "apikeys.verify.presentation.verify", lambda *_, **__: Denial(Reason.UNAVAILABLE)
        )
        assert {ask(public_key).code for _ in range(10)} == {"unavailable"}
    assert ask(HTTP_X_API_KEY="nonsense").code == "invalid_key"


def test_missing_keys_are_not_counted(limit: Limit) -> None:
    limit(refused=(3, 60))
    assert {ask().code for _ in range(10)} == {"missing_key"}


@both
def test_no_limits_means_no_headers(present: Any, limit: Limit, public_key: Issued) -> None:
    limit()
    headers = present(public_key).headers
    assert not [name for name in headers if name.startswith("RateLimit") or name == "Retry-After"]


def test_whoami_shows_what_is_left(limit: Limit, public_key: Issued) -> None:
    limit(key=(10, 60), organization=(100, 3600))
    limiter.spend(organization=public_key.key.organization_id.hex)
    found = api(public_key).get(WHOAMI).json()["limits"]
    for row in found:
        assert 1 <= row.pop("resets_in_seconds") <= row["window_seconds"] * 61 / 60
    assert found == [
        {"limit": "key", "quota": 10, "window_seconds": 60, "remaining": 9},
        {"limit": "organization", "quota": 100, "window_seconds": 3600, "remaining": 98},
    ]


@pytest.fixture(autouse=True)
def _leases_are_not_kept() -> Iterator[None]:
    yield
    judge._leases.clear()
