"""The AgentAuri document, "API Keys", step by step, under the document's own headings.

Its commands and programs run unchanged. Only hosts, tokens and ids are filled in.
"""

import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, expect

from tests.browser.visitor import Visitor
from tests.clients.node import programs
from tests.servers.keyway import KeywayServer
from tests.walkthroughs.conftest import AGENTAURI_SCOPES, eventually
from tests.walkthroughs.curl import Answer, curl
from tests.walkthroughs.product import product

pytestmark = pytest.mark.server

HOST = "https://api.agentauri.ai"
CREATE = r"""curl -X POST https://api.agentauri.ai/api/v1/api-keys \
  -H "Authorization: Bearer YOUR_JWT_TOKEN" \
  -H "Content-Type: application/json" \
  -d '{
    "name": "Production Webhook Server",
    "organization_id": "org_123",
    "scopes": ["triggers:read", "triggers:write", "events:read"]
  }'"""
CREATED = {"id", "key", "name", "organization_id", "scopes", "created_at", "last_used_at"}
LIST = r"""curl https://api.agentauri.ai/api/v1/api-keys \
  -H "Authorization: Bearer YOUR_JWT_TOKEN" """
LISTED = {"id", "name", "scopes", "created_at", "last_used_at"}
ROTATE = r"""curl -X POST https://api.agentauri.ai/api/v1/api-keys/key_abc123/rotate \
  -H "Authorization: Bearer YOUR_JWT_TOKEN" """
ROTATED = {"id", "key", "name", "rotated_at"}
REVOKE = r"""curl -X DELETE https://api.agentauri.ai/api/v1/api-keys/key_abc123 \
  -H "Authorization: Bearer YOUR_JWT_TOKEN" """
NODE = """const axios = require('axios');

const client = axios.create({
  baseURL: 'https://api.agentauri.ai/api/v1',
  headers: {
    'X-API-Key': process.env.AGENTAURI_API_KEY
  }
});

// List triggers
const triggers = await client.get('/triggers');
console.log(triggers.data);
"""
PYTHON = """import os
import requests

API_KEY = os.environ['AGENTAURI_API_KEY']
BASE_URL = 'https://api.agentauri.ai/api/v1'

headers = {'X-API-Key': API_KEY}

# List triggers
response = requests.get(f'{BASE_URL}/triggers', headers=headers)
triggers = response.json()
"""


@pytest.fixture(scope="session")
def server(agentauri_keyway: KeywayServer) -> KeywayServer:
    return agentauri_keyway


@pytest.fixture(scope="session")
def agentauri(server: KeywayServer) -> Iterator[str]:
    """The product, with its triggers."""
    with product(server.url, {"/api/v1/triggers": "triggers:read"}) as url:
        yield url


@pytest.fixture(scope="session")
def token(server: KeywayServer) -> str:
    alice = server.user("alice")
    login = {"email": alice["email"], "password": alice["password"]}
    return str(
        requests.post(f"{server.url}/api/v1/auth/login", json=login, timeout=20).json()[
            "access_token"
        ]
    )


class Shell:
    """A reader of the document with a shell and a token."""

    def __init__(self, server: KeywayServer, token: str) -> None:
        self.server = server
        self.where = {HOST: server.url, "YOUR_JWT_TOKEN": token}

    def run(self, line: str, **ids: str) -> Answer:
        return curl(line, where=self.where | ids)

    def create(self, line: str = CREATE) -> dict[str, Any]:
        answer = self.run(line, org_123=self.server.user("alice")["organization"])
        assert answer.status == 201, answer.text
        return dict(answer.json)


@pytest.fixture
def shell(server: KeywayServer, token: str) -> Shell:
    return Shell(server, token)


def call(product_url: str, secret: str) -> tuple[int, str]:
    answer = requests.get(
        f"{product_url}/api/v1/triggers", headers={"X-API-Key": secret}, timeout=20
    )
    return answer.status_code, answer.json().get("code", "")


def test_key_format(shell: Shell) -> None:
    for environment in ("live", "test"):
        ordered = CREATE.replace('"name"', f'"environment": "{environment}", "name"')
        assert re.fullmatch(rf"sk_{environment}_[0-9A-Za-z]{{32}}", shell.create(ordered)["key"])


def test_creating_api_keys(shell: Shell, server: KeywayServer) -> None:
    answer = shell.run(CREATE, org_123=server.user("alice")["organization"])
    created = answer.json
    assert (answer.status, answer.headers["cache-control"]) == (201, "no-store")
    assert created.keys() >= CREATED
    assert re.fullmatch(r"key_[0-9a-z]+", created["id"])
    assert created["name"] == "Production Webhook Server"
    assert created["organization_id"] == server.user("alice")["organization"]
    assert set(created["scopes"]) == {"triggers:read", "triggers:write", "events:read"}
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*Z$", created["created_at"])
    assert created["last_used_at"] is None

    # The `key` field is only returned once at creation.
    shown = shell.run(LIST.replace("/api-keys", f"/api-keys/{created['id']}"))
    assert shown.json["id"] == created["id"]
    assert "key" not in shown.json
    assert created["key"] not in shown.text


def test_available_scopes(shell: Shell, server: KeywayServer, agentauri: str) -> None:
    everything = json.dumps([*AGENTAURI_SCOPES, "manage:api-keys"])
    ordered = re.sub(r'"scopes": \[.*\]', f'"scopes": {everything}', CREATE)
    full, narrow = shell.create(ordered), shell.create(ordered.replace('"triggers:read", ', ""))
    for scope in json.loads(everything):
        verify = f"{server.url}/api/v1/verify?scope={scope}"
        assert (
            requests.get(verify, headers={"X-API-Key": full["key"]}, timeout=20).status_code == 204
        )
    assert call(agentauri, full["key"]) == (200, "")
    assert call(agentauri, narrow["key"]) == (403, "insufficient_scope")

    # manage:api-keys: create and revoke API keys, with the key itself.
    managing = {"X-API-Key": full["key"]}
    order = {"name": "By a key", "scopes": ["events:read"], "expires_in_days": 30}
    made = requests.post(f"{server.url}/api/v1/api-keys", json=order, headers=managing, timeout=20)
    assert made.status_code == 201, made.text
    gone = requests.delete(
        f"{server.url}/api/v1/api-keys/{made.json()['id']}", headers=managing, timeout=20
    )
    assert gone.status_code == 200

    # The document's name for this scope is unknown here. It is denied, never ignored.
    other = shell.run(
        ordered.replace("manage:api-keys", "api-keys:manage"),
        org_123=server.user("alice")["organization"],
    )
    assert other.refusal == (403, "scope_not_grantable")


def test_listing_api_keys(shell: Shell, server: KeywayServer, agentauri: str) -> None:
    created = shell.create()
    assert call(agentauri, created["key"]) == (200, "")
    answer = shell.run(LIST)
    listed = answer.json
    assert answer.status == 200
    assert listed["total"] == len(listed["data"])
    assert all(key.keys() >= LISTED for key in listed["data"])
    assert created["id"] in {key["id"] for key in listed["data"]}

    # Note: The actual key value is never returned after creation.
    assert not any("key" in key for key in listed["data"])
    assert not re.search(r"[as]k_(live|test)_[0-9A-Za-z]{32}", answer.text)

    # Monitor usage: check `last_used_at`.
    assert used(shell, created["id"])["last_used_at"] >= created["created_at"]


def used(shell: Shell, key_id: str) -> Any:
    """Return the key from the list, once its usage has been drained."""
    return eventually(
        lambda: next(
            (
                key
                for key in shell.run(LIST).json["data"]
                if key["id"] == key_id and key["last_used_at"]
            ),
            None,
        )
    )


def test_rotating_api_keys(shell: Shell, agentauri: str) -> None:
    created, bystander = shell.create(), shell.create()
    assert call(agentauri, created["key"]) == (200, "")
    answer = shell.run(ROTATE, key_abc123=created["id"])
    rotated = answer.json
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert rotated.keys() >= ROTATED
    assert (rotated["id"], rotated["name"]) == (created["id"], created["name"])
    assert rotated["rotated_at"] > created["created_at"]

    # The old key is immediately invalidated.
    assert call(agentauri, created["key"]) == (401, "rotated_key")
    assert call(agentauri, rotated["key"]) == (200, "")
    assert call(agentauri, bystander["key"]) == (200, "")


def test_revoking_api_keys(shell: Shell, agentauri: str) -> None:
    created, bystander = shell.create(), shell.create()
    assert call(agentauri, created["key"]) == (200, "")
    answer = shell.run(REVOKE, key_abc123=created["id"])
    assert (answer.status, answer.json["id"]) == (200, created["id"])
    assert call(agentauri, created["key"]) == (401, "revoked_key")
    assert call(agentauri, bystander["key"]) == (200, "")
    assert shell.run(REVOKE, key_abc123=created["id"]).refusal == (409, "already_revoked")
    assert shell.run(ROTATE, key_abc123=created["id"]).refusal == (409, "key_not_usable")


def test_hashing(shell: Shell, server: KeywayServer, agentauri: str) -> None:
    created = shell.create()
    assert call(agentauri, created["key"]) == (200, "")
    rotated = shell.run(ROTATE, key_abc123=created["id"]).json
    database = sqlite3.connect(server.folder / "keyway.sqlite3")
    try:
        proofs = [proof for (proof,) in database.execute("SELECT proof FROM apikeys_secret")]
    finally:
        database.close()
    assert len(proofs) > 2
    assert all(proof.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for proof in proofs)

    # We never store plaintext keys: not in the database, its log, the spool or the server's log.
    files = [path for path in server.folder.rglob("*") if path.is_file()]
    assert {"keyway.sqlite3", "server.log"} <= {path.name for path in files}
    for secret in (created["key"], rotated["key"]):
        assert not any(secret.encode() in path.read_bytes() for path in files)


def test_audit_logging(
    shell: Shell, server: KeywayServer, agentauri: str, browser: Browser
) -> None:
    created = shell.create()
    assert call(agentauri, created["key"]) == (200, "")
    shell.run(ROTATE, key_abc123=created["id"])
    shell.run(REVOKE, key_abc123=created["id"])
    used(shell, created["id"])
    with Visitor(browser, server) as alice:
        page = alice.sign_in("alice").page
        address = f"/o/acme/audit-log/?target={created['id']}&format=ndjson"
        entries = [json.loads(line) for line in page.request.get(address).text().splitlines()]
        # Key creation (with scopes), key rotation, key revocation, each with actor and address
        by_action = {entry["action"]: entry for entry in entries}
        assert by_action.keys() == {"key.issued", "key.rotated", "key.revoked"}
        assert set(by_action["key.issued"]["data"]["scopes"]) == {
            "triggers:read",
            "triggers:write",
            "events:read",
        }
        assert {entry["actor_id"] for entry in entries} == {server.user("alice")["id"]}
        assert {entry["address"] for entry in entries} == {"127.0.0.1"}
        assert created["key"] not in json.dumps(entries)

        # Key usage (endpoint, IP, timestamp)
        page.goto(f"/keys/{created['id']}/usage/")
        row = page.get_by_role("table").get_by_role("row", name="GET /api/v1/triggers").last
        expect(row).to_contain_text("204")  # the status of Keyway's verify response
        expect(row).to_contain_text("127.0.0.1")
        assert (row.locator("time").get_attribute("datetime") or "") >= created["created_at"][:16]


def test_nodejs_integration(shell: Shell, agentauri: str, axios: Path) -> None:
    # CommonJS has no top-level `await`, so the document's lines run inside a function.
    program = f"(async () => {{ {NODE.replace(HOST, agentauri)} }})();"
    printed = programs.run(
        programs.node(), "-e", program, cwd=axios, AGENTAURI_API_KEY=shell.create()["key"]
    )
    assert "data: [ '/api/v1/triggers' ]" in printed


def test_python_integration(shell: Shell, agentauri: str, tmp_path: Path) -> None:
    program = PYTHON.replace(HOST, agentauri) + "print(response.status_code, triggers['data'])"
    secret = shell.create()["key"]
    printed = programs.run(sys.executable, "-c", program, cwd=tmp_path, AGENTAURI_API_KEY=secret)
    assert printed == "200 ['/api/v1/triggers']\n"
