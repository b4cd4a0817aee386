"""The Hexcovery document, "API keys": what it says of keys themselves.

OQL queries and annotations, which the document calls with a key, have walkthroughs of their own.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server
ACTIVITY = "/api/v1/public/audit-activity"


@pytest.fixture(scope="module")
def server() -> Iterator[KeywayServer]:
    with KeywayServer() as server:
        yield server


class Admin:
    """A person with a dashboard session, as a token."""

    def __init__(self, server: KeywayServer, name: str) -> None:
        user = server.user(name)
        login = {"email": user["email"], "password": user["password"]}
        answer = requests.post(f"{server.url}/api/v1/auth/login", json=login, timeout=30)
        self.url = server.url
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def create(self, name: str = "ci-deploy", **order: Any) -> requests.Response:
        order = {"name": name, "owner": "organization", "scopes": ["read:audit-activity"]} | order
        return requests.post(
            f"{self.url}/api/v1/api-keys", json=order, headers=self.headers, timeout=30
        )

    def revoke(self, key_id: str) -> requests.Response:
        return requests.delete(
            f"{self.url}/api/v1/api-keys/{key_id}", headers=self.headers, timeout=30
        )


@pytest.fixture(scope="module")
def alice(server: KeywayServer) -> Admin:
    return Admin(server, "alice")


def get(server: KeywayServer, path: str, **headers: str) -> tuple[int, Any]:
    answer = requests.get(server.url + path, headers=headers, timeout=30)
    return answer.status_code, answer.json()


def use(server: KeywayServer, secret: str, path: str = "/api/v1/whoami") -> tuple[int, Any]:
    return get(server, path, **{"X-API-Key": secret})


def test_creating_a_key(server: KeywayServer, alice: Admin) -> None:
    made = alice.create("prod-agent")
    assert made.status_code == 201, made.text
    key = made.json()
    assert (key["name"], key["owner"]) == ("prod-agent", None)
    # Copy the key when it is shown
    listed = requests.get(f"{server.url}/api/v1/api-keys", headers=alice.headers, timeout=30)
    assert key["id"] in listed.text
    assert key["key"] not in listed.text
    # A key resolves to your organization
    status, who = use(server, key["key"])
    assert (status, who["owner"]) == (200, None)
    assert who["organization"]["id"] == server.user("alice")["organization"]


def test_keys_are_managed_by_admins(server: KeywayServer, alice: Admin) -> None:
    key = alice.create().json()
    bob = Admin(server, "bob")
    refused = bob.create()
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert bob.revoke(key["id"]).status_code == 403
    assert use(server, key["key"])[0] == 200


def test_x_api_key_and_not_bearer(server: KeywayServer, alice: Admin) -> None:
    secret = alice.create().json()["key"]
    assert use(server, secret)[0] == 200
    status, problem = get(server, "/api/v1/whoami", Authorization=f"Bearer {secret}")
    assert (status, problem["code"]) == (401, "key_in_bearer")
    assert "X-API-Key" in problem["detail"]


def test_rotating_and_revoking(server: KeywayServer, alice: Admin) -> None:
    old, new = alice.create().json(), alice.create().json()
    assert use(server, old["key"])[0] == use(server, new["key"])[0] == 200
    assert alice.revoke(old["id"]).status_code == 200
    # Revoking takes effect immediately, in every process.
    for _ in range(10):
        status, problem = use(server, old["key"])
        assert (status, problem["code"]) == (401, "revoked_key")
    assert use(server, new["key"])[0] == 200


def test_data_stays_inside_the_organization(server: KeywayServer, alice: Admin) -> None:
    acme = server.user("alice")["organization"]
    agent = server.key(kind="agent", environment="live", organization=acme)["secret"]
    host = f"sql-{uuid.uuid4().hex}"
    event = {
        "event_id": str(uuid.uuid4()),
        "host": host,
        "action_id": "SL",
        "event_time": datetime.now(UTC).isoformat(),
        "succeeded": True,
    }
    sent = requests.post(
        f"{server.url}/api/v1/agent/events", json=[event], headers={"X-API-Key": agent}, timeout=30
    )
    assert sent.status_code < 300, sent.text
    ours = alice.create().json()["key"]
    theirs = Admin(server, "mallory").create().json()["key"]
    hosts = [
        {row["host"] for row in use(server, key, ACTIVITY)[1]["data"]} for key in (ours, theirs)
    ]
    assert (host in hosts[0], host in hosts[1]) == (True, False)


def test_one_key_per_purpose(server: KeywayServer, alice: Admin) -> None:
    ci, cron = alice.create("ci-deploy").json(), alice.create("cron").json()
    assert use(server, ci["key"])[1]["key_id"] != use(server, cron["key"])[1]["key_id"]
    assert alice.revoke(ci["id"]).status_code == 200
    assert use(server, ci["key"])[0] == 401
    assert use(server, cron["key"])[0] == 200
