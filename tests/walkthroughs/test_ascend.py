"""ASCEND's guide, "API Key Management": its API reference and troubleshooting tables over HTTP.

The requests run unchanged. Only the host, the token and the key's id are filled in.
"""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import requests

from tests.servers.keyway import KeywayServer
from tests.walkthroughs import ascend as document
from tests.walkthroughs.conftest import eventually

pytestmark = pytest.mark.server

SECRET = r"owkai_admin_live_[0-9A-Za-z]{32}"
LIMIT = 30


@pytest.fixture(scope="session")
def server() -> Iterator[KeywayServer]:
    with KeywayServer(
        KEYWAY_PUBLIC_KEY_PREFIX="owkai_admin", KEYWAY_LIMIT_ISSUE=f"{LIMIT}/m"
    ) as server:
        yield server


class Reader:
    """A reader of the guide with a session token."""

    def __init__(self, server: KeywayServer, name: str) -> None:
        user = server.user(name)
        login = {"email": user["email"], "password": user["password"]}
        answer = requests.post(f"{server.url}/v1/auth/login", json=login, timeout=30)
        self.url, self.token = server.url, answer.json()["access_token"]
        self.organization: str = user["organization"]

    def send(self, written: str, key_id: str = "") -> requests.Response:
        """Send a request as the guide writes it: request line, headers, empty line, body."""
        filled = written.replace("<session_token>", self.token).replace("{key_id}", key_id)
        head, _, body = filled.partition("\n\n")
        line, *fields = head.strip().splitlines()
        method, path = line.split()
        headers = dict(field.split(": ", 1) for field in fields)
        return requests.request(
            method, self.url + path, headers=headers, data=body or None, timeout=30
        )

    def generate(self, name: str = "Production Backend") -> dict[str, Any]:
        answer = self.send(document.GENERATE.replace("Production Backend", name))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def listed(self, key_id: str) -> dict[str, Any]:
        keys = self.send(document.LIST).json()["keys"]
        return next(key for key in keys if key["id"] == key_id)

    def whoami(self, secret: str, **headers: str) -> tuple[int, str]:
        answer = requests.get(
            f"{self.url}/api/v1/whoami", headers={"X-API-Key": secret, **headers}, timeout=30
        )
        return answer.status_code, answer.json().get("code", "")

    def own_key(self, **order: Any) -> dict[str, Any]:
        """Issue a key of the person, which the guide does not have."""
        order = {"name": "Own", "scopes": ["read:audit-activity"]} | order
        answer = requests.post(
            f"{self.url}/api/v1/api-keys",
            json=order,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )
        return dict(answer.json())


@pytest.fixture(scope="session")
def alice(server: KeywayServer) -> Reader:
    return Reader(server, "alice")


@pytest.fixture(scope="session")
def bob(server: KeywayServer) -> Reader:
    return Reader(server, "bob")


def refusal(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_generating_a_new_api_key(alice: Reader) -> None:
    got = alice.generate()
    assert set(got) == document.GENERATED
    assert re.fullmatch(SECRET, got["api_key"])
    assert got["name"] == "Production Backend"
    assert got["description"] == "Main production service API access"
    assert got["message"] == "Store this key securely. It will not be shown again."
    in_90_days = datetime.now(UTC) + timedelta(days=90)
    assert abs(datetime.fromisoformat(got["expires_at"]) - in_90_days) < timedelta(minutes=5)
    assert alice.whoami(got["api_key"]) == (200, "")


def test_key_generation_options(alice: Reader) -> None:
    never = alice.send(document.GENERATE.replace("90", "null"))
    assert (never.status_code, never.json()["expires_at"]) == (201, None)
    for days in ("7", "91", '"90"'):
        refused = alice.send(document.GENERATE.replace("90", days))
        assert list(refused.json()["errors"]) == ["expires_in_days"]
    for name, longest in (("Production Backend", 255), ("Main production service API access", 500)):
        assert alice.send(document.GENERATE.replace(name, "x" * longest)).status_code == 201
        assert alice.send(document.GENERATE.replace(name, "x" * (longest + 1))).status_code == 422


def test_viewing_api_keys(alice: Reader) -> None:
    made = alice.generate()
    answer = alice.send(document.LIST)
    got = answer.json()
    assert set(got) == {"keys", "total"}
    assert got["total"] == len(got["keys"])
    assert all(set(key) == document.LISTED for key in got["keys"])
    key = alice.listed(made["key_id"])
    secret = made["api_key"]
    assert key["key_prefix"] == f"{secret[:21]}...{secret[-4:]}"
    assert (key["status"], key["total_requests"], key["last_used_at"]) == ("active", 0, None)
    assert key["expires_at"] == made["expires_at"]
    assert secret not in answer.text


def test_viewing_key_usage_statistics(alice: Reader) -> None:
    made = alice.generate()
    for _ in range(3):
        assert alice.whoami(made["api_key"]) == (200, "")
    requests.get(f"{alice.url}/api/v1/api-keys", headers={"X-API-Key": made["api_key"]}, timeout=30)

    def drained() -> Any:
        found = alice.send(document.USAGE, made["key_id"]).json()
        return found if found["usage"]["total_requests"] == 4 else None

    got = eventually(drained)
    assert set(got) == document.USED
    assert set(got["usage"]) == document.FIGURES
    assert (got["key_id"], got["key_name"]) == (made["key_id"], "Production Backend")
    assert (got["usage"]["error_count"], got["usage"]["error_rate"]) == (1, 25.0)
    assert got["top_endpoints"][0] == {"endpoint": "GET /api/v1/whoami", "count": 3}
    today = got["daily_usage"][0]
    assert set(today) == {"date", "requests"}
    key = alice.listed(made["key_id"])
    assert (key["total_requests"], key["last_used_at"]) == (4, got["last_used"])


def test_revoking_an_api_key(alice: Reader) -> None:
    made, bystander = alice.generate(), alice.generate()
    assert alice.whoami(made["api_key"]) == (200, "")
    answer = alice.send(document.REVOKE, made["key_id"])
    got = answer.json()
    assert set(got) == document.REVOKED
    assert (got["success"], got["message"]) == (True, "API key revoked successfully")
    # Immediate effect; the key remains visible.
    assert alice.whoami(made["api_key"]) == (401, "revoked_key")
    assert alice.whoami(bystander["api_key"]) == (200, "")
    assert alice.listed(made["key_id"])["status"] == "revoked"


def test_rotating_api_keys(alice: Reader) -> None:
    old, new = alice.generate("Production Backend"), alice.generate("rotation 2026-01")
    assert alice.whoami(old["api_key"]) == alice.whoami(new["api_key"]) == (200, "")
    for key in (old, new):
        usage = eventually(partial(requests_of, alice, key["key_id"]))
        assert usage == 1
    assert alice.send(document.REVOKE, old["key_id"]).status_code == 200
    assert alice.whoami(old["api_key"]) == (401, "revoked_key")
    assert alice.whoami(new["api_key"]) == (200, "")


def requests_of(reader: Reader, key_id: str) -> int:
    usage = reader.send(document.USAGE, key_id).json()["usage"]
    return int(usage["total_requests"])


def test_cannot_generate_key(alice: Reader, bob: Reader, server: KeywayServer) -> None:
    nameless = alice.send(document.GENERATE.replace('"Production Backend"', '""'))
    assert (nameless.status_code, list(nameless.json()["errors"])) == (422, ["name"])
    assert refusal(bob.send(document.GENERATE)) == (403, "forbidden")
    mallory = Reader(server, "mallory")  # has a limit of her own
    answers = [mallory.send(document.GENERATE)]
    while answers[-1].status_code == 201:
        assert len(answers) < 10 * LIMIT, "this machine is too slow to reach any limit"
        answers.append(mallory.send(document.GENERATE))
    # Without Redis, each of the two processes has half of the limit.
    assert len(answers) > LIMIT // 2
    assert refusal(answers[-1]) == (429, "rate_limited")
    assert "Try again in 1 minute" in answers[-1].json()["detail"]


def test_key_not_working(alice: Reader, server: KeywayServer) -> None:
    made = alice.generate()
    secret = made["api_key"]
    typo = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    assert alice.whoami(secret) == (200, "")
    assert alice.whoami(typo) == (401, "invalid_key")
    soon = datetime.now(UTC) + timedelta(seconds=3)
    short = alice.own_key(expires_at=soon.isoformat())
    assert alice.whoami(short["key"]) == (200, "")
    time.sleep(max(0, (soon - datetime.now(UTC)).total_seconds()))
    assert alice.whoami(short["key"]) == (401, "expired_key")
    other = server.user("mallory")["organization"]
    named = {"X-Organization-Id": alice.organization}
    assert alice.whoami(secret, **named) == (200, "")
    assert alice.whoami(secret, **{"X-Organization-Id": other}) == (403, "wrong_organization")
    alice.send(document.REVOKE, made["key_id"])
    assert alice.whoami(secret) == (401, "revoked_key")


def test_cannot_revoke_key(alice: Reader, bob: Reader) -> None:
    alices, bobs = alice.own_key(), bob.own_key()
    assert refusal(bob.send(document.REVOKE, alices["id"])) == (403, "not_key_owner")
    # Admin can revoke any key
    assert alice.send(document.REVOKE, bobs["id"]).status_code == 200
    assert refusal(alice.send(document.REVOKE, bobs["id"])) == (409, "already_revoked")
    for unknown in ("key_01h2xcejqtf2nbrexx3vqjhp41", "1"):
        assert refusal(alice.send(document.REVOKE, unknown)) == (404, "not_found")
    assert alice.whoami(alices["key"]) == (200, "")
