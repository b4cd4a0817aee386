"""The kAudit document, "API Keys", step by step, under the document's own headings.

Uses a real server, Chromium, HTTP, and a real agent that reads the log of a real PostgreSQL.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.browser.visitor import Visitor
from tests.servers.keyway import ROOT, KeywayServer
from tests.servers.postgres import PostgresServer
from tests.walkthroughs.conftest import eventually

pytestmark = pytest.mark.server

ACTIVITY = "/api/v1/public/audit-activity"
REFUSED_FOR_GOOD = 77


@pytest.fixture(scope="module")
def server() -> Iterator[KeywayServer]:
    with KeywayServer() as server:
        yield server


@pytest.fixture
def alice(browser: Browser, server: KeywayServer) -> Iterator[Visitor]:
    with Visitor(browser, server) as visitor:
        yield visitor.sign_in("alice")


def open_key_management(page: Page) -> None:
    """Tenant Agents, the tenant in the Tenant Instances table, ⋮, Manage API Keys."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Tenant Agents").click()
    row = page.get_by_role("table", name="Tenant Instances").get_by_role("row", name="Acme")
    row.get_by_label("Actions for Acme").click()
    row.get_by_role("link", name="Manage API Keys").click()
    expect(page.get_by_role("dialog", name="API Key Management")).to_be_visible()


def create_agent_key(page: Page, label: str) -> str:
    """Create Key, a label, Create. Return the key, which is shown only once."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name="Create Key").click()
    dialog.get_by_label("Label").fill(label)
    dialog.get_by_role("button", name="Create").click()
    secret = dialog.locator("input[data-secret]").input_value()
    dialog.get_by_label("I have saved this key").check()
    dialog.get_by_role("button", name="Done").click()
    expect(dialog.get_by_role("row", name=label)).to_be_visible()
    assert secret not in page.content()
    return secret


def delete_agent_key(page: Page, label: str) -> None:
    """Manage API Keys, Delete next to the key, and Delete again to confirm."""
    page.goto("/administration/tenant-agents/")
    open_key_management(page)
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name=f"Delete {label}", exact=True).click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text(f"Deleted {label}").first).to_be_visible()


def refusal(server: KeywayServer, secret: str) -> tuple[int, str]:
    answer = requests.get(f"{server.url}/api/v1/whoami", headers={"X-Api-Key": secret}, timeout=10)
    return answer.status_code, answer.json().get("code", "")


def reader_of(server: KeywayServer) -> str:
    """Return a public key of Acme to read the events that arrived."""
    acme = server.seed["organizations"][0]["id"]
    return str(server.key(kind="public", environment="live", organization=acme)["secret"])


class Agent:
    """The kAudit Agent service on a database host: the reference agent in its own process."""

    def __init__(self, folder: Path, server: KeywayServer, log: Path) -> None:
        self.folder = folder
        self.configuration = folder / "agent.json"
        self.facts: dict[str, Any] = {
            "ServerUrl": server.url,
            "Host": "sql-prod-77",
            "StateDirectory": str(folder / "state"),
            "Source": {"Type": "postgresql-csvlog", "Path": str(log)},
        }
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, secret: str) -> None:
        """Use this key in the agent configuration file in the AgentApiKey field."""
        self.configuration.write_text(json.dumps({**self.facts, "AgentApiKey": secret}))
        self.configuration.chmod(0o600)

    def start(self) -> None:
        command = [sys.executable, "-m", "keyway_agent", "--config", str(self.configuration)]
        environment = {
            "PYTHONPATH": str(ROOT / "clients" / "agent" / "src"),
            "PATH": "/usr/bin:/bin",
        }
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(120)

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def log(self) -> str:
        return (self.folder / "agent.log").read_text()


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    settings = {"log_destination": "csvlog", "logging_collector": "on", "log_statement": "all"}
    with PostgresServer(settings=settings) as database:
        yield database


@pytest.fixture
def agent(tmp_path: Path, server: KeywayServer, database: PostgresServer) -> Iterator[Agent]:
    agent = Agent(tmp_path, server, database.log_directory)
    yield agent
    agent.stop()


def seen(server: KeywayServer, secret: str, marker: str) -> list[str]:
    """Return the statements that contain `marker` from the public API."""
    answer = requests.get(
        server.url + ACTIVITY,
        params={"q": marker, "limit": "1000"},
        headers={"X-Api-Key": secret},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    return [event["statement"] for event in answer.json()["data"]]


def run_statements(database: PostgresServer, marker: str, numbers: range) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        for number in numbers:
            connection.execute(f"SELECT {number} AS {marker}")


def assert_each_once(server: KeywayServer, reader: str, *markers: str) -> None:
    for marker in markers:
        assert sorted(seen(server, reader, marker)) == sorted(
            f"SELECT {number} AS {marker}" for number in range(20)
        )


FIRST, SECOND = "Production SQL 77 Agent", "Production SQL 77 Agent, new"


def test_agent_key_is_rotated_without_downtime(
    alice: Visitor, agent: Agent, server: KeywayServer, database: PostgresServer
) -> None:
    page, reader = alice.page, reader_of(server)

    # Creating an agent API key
    open_key_management(page)
    first = create_agent_key(page, FIRST)
    assert first.startswith("ak_live_")
    agent.configure(first)
    agent.start()
    run_statements(database, "before_rotation", range(20))
    eventually(lambda: len(seen(server, reader, "before_rotation")) == 20)

    # Rotating an agent API key: create a new key, update the configuration, restart the agent …
    agent.configure(create_agent_key(page, SECOND))
    run_statements(database, "during_rotation", range(10))
    agent.restart()
    run_statements(database, "during_rotation", range(10, 20))
    eventually(lambda: len(seen(server, reader, "during_rotation")) == 20)

    # … and delete the old key once the agent is confirmed healthy.
    page.goto("/o/acme/agents/")
    expect(page.get_by_role("row", name="sql-prod-77")).to_contain_text("Healthy")
    expect(page.get_by_role("row", name="sql-prod-77")).to_contain_text(SECOND)
    delete_agent_key(page, FIRST)
    assert refusal(server, first) == (401, "revoked_key")
    run_statements(database, "after_rotation", range(20))
    eventually(lambda: len(seen(server, reader, "after_rotation")) == 20)
    assert_each_once(server, reader, "before_rotation", "during_rotation", "after_rotation")
    assert "revoked" not in agent.log
    assert not (agent.folder / "state" / "rejected.ndjson").exists()

    # Revoking the key stops its agent, which logs the reason and keeps its position.
    delete_agent_key(page, SECOND)
    run_statements(database, "after_the_end", range(3))
    assert agent.process
    assert agent.process.wait(120) == REFUSED_FOR_GOOD
    assert "revoked_key" in agent.log
    assert seen(server, reader, "after_the_end") == []


def test_public_key_is_created_used_and_revoked(alice: Visitor, server: KeywayServer) -> None:
    page = alice.page

    # Creating a public API key: click your avatar in the top-right, then Profile.
    page.get_by_label("Account: ").click()
    page.get_by_role("link", name="Profile", exact=True).click()
    section = page.get_by_role("region", name="API Keys")
    section.get_by_role("link", name="New API Key").click()
    page.get_by_label("Label").fill("Audit Export Script")
    page.get_by_text("Not available yet").click()
    for title in ("Read Alerts", "Read Findings", "Read Compliance", "Read Reports"):
        scope = page.get_by_role("checkbox", name=title)
        expect(scope).to_be_disabled()
        expect(page.locator("label", has=scope)).to_contain_text("coming soon", ignore_case=True)
    expect(page.get_by_role("checkbox", name="Read Audit Activity")).to_be_checked()
    page.get_by_role("button", name="Create").click()
    secret = page.locator("input[data-secret]").input_value()
    page.get_by_label("I have saved this key").check()
    page.get_by_role("button", name="Done").click()

    # Using a public API key: GET /api/v1/public/audit-activity with X-Api-Key
    answer = requests.get(server.url + ACTIVITY, headers={"X-Api-Key": secret}, timeout=10)
    assert answer.status_code == 200
    assert answer.json()["data"]
    curl = ["curl", "-s", "-H", f"X-Api-Key: {secret}", f"{server.url}{ACTIVITY}?limit=1"]
    assert (
        len(json.loads(subprocess.run(curl, capture_output=True, check=True).stdout)["data"]) == 1
    )

    # Revoking a public API key: find the key, click Revoke, confirm.
    # Revoked keys stop working immediately.
    row = page.get_by_role("region", name="API Keys").get_by_role("row", name="Audit Export Script")
    row.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Revoked Audit Export Script").first).to_be_visible()
    assert refusal(server, secret) == (401, "revoked_key")


def test_agent_and_public_keys_are_not_interchangeable(server: KeywayServer) -> None:
    agent_key = server.key(kind="agent", environment="live")["secret"]
    public_key = server.key(kind="public", environment="live")["secret"]
    for secret, path, method in (
        (agent_key, ACTIVITY, "GET"),
        (public_key, "/api/v1/agent/heartbeat", "POST"),
    ):
        answer = requests.request(
            method,
            server.url + path,
            headers={"X-Api-Key": secret},
            json={} if method == "POST" else None,
            timeout=10,
        )
        assert (answer.status_code, answer.json()["code"]) in {
            (403, "wrong_key_type"),
            (403, "insufficient_scope"),
        }
