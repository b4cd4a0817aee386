"""Compare a client's own counts with the API, the page and the CSV of a Keyway of two processes."""

import csv
import io
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from apikeys.verify.denials import Reason
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server
WHOAMI, VERIFY = "/api/v1/whoami", "/api/v1/verify"
MIX = [
    ("GET", WHOAMI),
    ("GET", WHOAMI),
    ("POST", WHOAMI),
    ("GET", "/api/v1/agent/config"),
    ("GET", "/api/v1/api-keys"),
    ("GET", VERIFY),
    ("GET", VERIFY),
    ("GET", f"{VERIFY}?scope=manage:api-keys"),
    ("GET", f"{VERIFY}?environment=test"),
]
DRAINED_SECONDS = 60


@pytest.fixture(scope="module")
def server() -> Iterator[KeywayServer]:
    with KeywayServer(workers=2, KEYWAY_LIMIT_KEY="80/m", KEYWAY_LIMIT_REFUSED="") as running:
        yield running


@dataclass
class Script:
    """Sends requests and counts the responses."""

    server: KeywayServer
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    endpoints: Counter[str] = field(default_factory=Counter)
    secrets: Counter[str] = field(default_factory=Counter)

    def send(self, secret: str, calls: list[tuple[str, str]]) -> None:
        def call(wanted: tuple[str, str]) -> requests.Response:
            return requests.request(
                wanted[0], self.server.url + wanted[1], headers={"X-API-Key": secret}, timeout=30
            )

        with ThreadPoolExecutor(4) as threads:
            for (method, path), answer in zip(calls, threads.map(call, calls), strict=True):
                self.statuses[answer.status_code] += 1
                self.endpoints[f"{method} {path.partition('?')[0]}"] += 1
                self.secrets[secret[-4:]] += 1
                if answer.status_code >= 400:
                    self.codes[answer.json()["code"]] += 1

    @property
    def sent(self) -> int:
        return self.statuses.total()

    @property
    def errors(self) -> int:
        return sum(times for status, times in self.statuses.items() if status >= 400)

    @property
    def denials(self) -> dict[str, int]:
        return {code: times for code, times in self.codes.items() if code in set(Reason)}


@dataclass
class Owner:
    """The owner of the key, over the API with a user token and in a browser session."""

    server: KeywayServer
    key: str
    email: str
    password: str

    def __post_init__(self) -> None:
        login = f"{self.server.url}/api/v1/auth/login"
        body = requests.post(
            login, json={"email": self.email, "password": self.password}, timeout=30
        ).json()
        self.headers = {"Authorization": f"Bearer {body['access_token']}"}

    def ask(self, method: str, path: str = "", body: object = None) -> Any:
        url = f"{self.server.url}/api/v1/api-keys/{self.key}{path}"
        answer = requests.request(method, url, json=body, headers=self.headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def usage_of(self, requests_sent: int) -> Any:
        """Wait until that many requests are counted, and return the statistics."""
        until = time.monotonic() + DRAINED_SECONDS
        while (body := self.ask("GET", "/usage"))["usage"]["total_requests"] < requests_sent:
            assert time.monotonic() < until, body
            time.sleep(0.2)
        return body

    def page(self) -> tuple[str, list[dict[str, str]]]:
        """Return the page of the last 24 hours and its CSV."""
        with requests.Session() as browser:
            login, url = (
                f"{self.server.url}/accounts/login/",
                f"{self.server.url}/keys/{self.key}/usage/",
            )
            browser.get(login, timeout=30)
            fields = {
                "login": self.email,
                "password": self.password,
                "csrfmiddlewaretoken": browser.cookies["keyway-csrf"],
            }
            browser.post(login, fields, timeout=30)
            html = browser.get(url, params={"range": "24h"}, timeout=30).text
            exported = browser.get(url, params={"range": "24h", "format": "csv"}, timeout=30).text
        return re.sub(r"\s+", " ", html), list(csv.DictReader(io.StringIO(exported, newline="")))


def segments(server: KeywayServer) -> int:
    return len(list(Path(server.environment["KEYWAY_SPOOL"]).glob("*.seg")))


def send_until_both_processes_answered(server: KeywayServer, script: Script, secret: str) -> None:
    """Which process takes a connection is the kernel's choice, and one may still be starting."""
    until = time.monotonic() + 60
    while segments(server) < 2:
        assert time.monotonic() < until, "one process answered everything"
        script.send(secret, [("GET", VERIFY)] * 8)


def test_client_count_equals_api_page_and_csv(server: KeywayServer) -> None:
    bob = server.user("bob")
    key = server.key(kind="public", environment="live", owner=bob["id"])
    owner, script = Owner(server, key["id"], bob["email"], bob["password"]), Script(server)
    script.send(key["secret"], MIX * 4)
    fresh = owner.ask("POST", "/rotate", {"grace": 3600})["key"]
    script.send(key["secret"], [("GET", WHOAMI)] * 5)
    script.send(fresh, [("GET", WHOAMI), ("GET", VERIFY)] * 50)
    send_until_both_processes_answered(server, script, fresh)
    owner.ask("DELETE")
    script.send(fresh, [("GET", WHOAMI), ("GET", VERIFY)] * 6)
    assert script.statuses.keys() == {200, 204, 401, 403, 405, 429}
    assert script.denials.keys() == {
        "insufficient_scope", "wrong_environment", "wrong_key_type", "rate_limited", "revoked_key",
    }  # fmt: skip
    body = owner.usage_of(script.sent)
    assert_api(body, script)
    assert_shown(*owner.page(), script)


def assert_api(body: Any, script: Script) -> None:
    rate = round(100 * script.errors / script.sent, 2)
    totals = dict.fromkeys(
        ("total_requests", "requests_24h", "requests_7d", "requests_30d"), script.sent
    )
    assert body["usage"] == totals | {"error_count": script.errors, "error_rate": rate}
    assert {row["reason"]: row["count"] for row in body["denials"]} == script.denials
    assert {row["endpoint"]: row["count"] for row in body["top_endpoints"]} == script.endpoints
    assert {row["mask"][-4:]: row["total_requests"] for row in body["secrets"]} == script.secrets
    assert sum(day["requests"] for day in body["daily_usage"]) == script.sent
    assert sum(day["error_count"] for day in body["daily_usage"]) == script.errors
    assert body["incomplete"] == []


def assert_shown(html: str, exported: list[dict[str, str]], script: Script) -> None:
    sums = {
        name: sum(int(row[name]) for row in exported)
        for name in ("requests", "ok", "errors", "denied")
    }
    denied = sum(script.denials.values())
    ok, errors = script.sent - script.errors, script.errors - denied
    assert sums == {"requests": script.sent, "ok": ok, "errors": errors, "denied": denied}
    assert f"{script.sent} requests: {ok} successful, {errors} errors, {denied} denied." in html
    for reason, times in script.denials.items():
        assert re.search(rf'{reason}</code></a><span class="number">{times}<', html), reason
    for endpoint, times in script.endpoints.items():
        assert f'<code>{endpoint}</code><span class="number">{times}</span>' in html
