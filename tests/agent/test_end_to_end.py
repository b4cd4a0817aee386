"""A real PostgreSQL, agent and Keyway: each logged statement appears once in the public API."""

import csv
import random
import secrets
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests.agent.running import AgentProcess
from tests.servers.keyway import KeywayServer
from tests.servers.postgres import PostgresServer, require_binaries

pytestmark = pytest.mark.server

STATEMENT_LIMIT = 65_536
LOGGING = {
    "log_destination": "csvlog",
    "logging_collector": "on",
    "log_statement": "all",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_timezone": "UTC",
    "log_rotation_size": "300kB",
}


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    require_binaries()
    with PostgresServer(settings=LOGGING) as server:
        yield server


@pytest.fixture
def agent(tmp_path: Path, keyway: KeywayServer, postgres: PostgresServer) -> Iterator[AgentProcess]:
    configuration = {
        "ServerUrl": keyway.url,
        "AgentApiKey": secret(keyway, "agent"),
        "Host": f"pg-{secrets.token_hex(6)}",
        "Source": {"Type": "postgresql-csvlog", "Path": str(postgres.log_directory)},
    }
    with AgentProcess(tmp_path / "agent", **configuration) as agent:
        yield agent


def secret(keyway: KeywayServer, kind: str) -> str:
    acme = next(
        organization["id"]
        for organization in keyway.seed["organizations"]
        if organization["slug"] == "acme"
    )
    return str(keyway.key(kind=kind, environment="live", organization=acme)["secret"])


def test_each_statement_appears_once_despite_ten_kills(
    postgres: PostgresServer, agent: AgentProcess, keyway: KeywayServer
) -> None:
    before_all = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))
    work = threading.Thread(target=run_all, args=(postgres,))
    work.start()
    lives = kill_at_random(agent, times=10, port=keyway.port)
    work.join()
    postgres.stop()
    assert lives == 10
    assert agent.run("--once") == 0, agent.log
    events = public_activity(keyway, agent.host, since=before_all)
    logged, failed = logged_statements(postgres.log_directory)
    assert sum(logged.values()) > 5000
    assert len({event["event_id"] for event in events}) == len(events)
    spoken = [event for event in events if event["statement"]]
    assert Counter((event["session_id"], event["statement"]) for event in spoken) == logged
    assert (
        Counter(
            (event["session_id"], event["statement"]) for event in spoken if not event["succeeded"]
        )
        == failed
    )
    assert not (agent.state / "rejected.ndjson").exists()
    assert secret(keyway, "agent") not in agent.log


def run_all(postgres: PostgresServer) -> None:
    """Run about 15 seconds of statements. Halfway, PostgreSQL itself is killed."""
    pgbench(postgres, "--initialize", "--quiet")
    pgbench(postgres, "--client=2", "--transactions=150", "--rate=60")
    by_hand(postgres)
    postgres.kill()
    postgres.start()
    by_hand(postgres)
    pgbench(postgres, "--client=2", "--transactions=150", "--rate=60", "--protocol=prepared")
    pgbench(postgres, "--client=4", "--transactions=80", "--protocol=extended")


def pgbench(postgres: PostgresServer, *options: str) -> None:
    subprocess.run(
        [postgres.binaries / "pgbench", *options, postgres.url], check=True, capture_output=True
    )


def by_hand(postgres: PostgresServer) -> None:
    with psycopg.connect(
        postgres.url, autocommit=True, application_name='odd "name", really'
    ) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (id int PRIMARY KEY, body text)")
        connection.execute("TRUNCATE notes")
        for number in range(20):
            connection.execute(
                "INSERT INTO notes VALUES (%s, %s)", (number, f'line\n"quoted", {number}')
            )
        connection.execute("SELECT 'ünïcödé ☃', '\n\"\",,\n', $$dollar ' quoted$$ -- comment\n")
        connection.execute("SELECT 1; SELECT 2; DELETE FROM notes WHERE id = 1")
        connection.execute(f"SELECT {'x' * 70_000!r}")
        for wrong in (
            "SELECT * FROM nowhere",
            "SELEC 1",
            "SELECT 1/0",
            "INSERT INTO notes VALUES (2, '')",
        ):
            for _ in range(3):
                with pytest.raises(psycopg.Error):
                    connection.execute(wrong)
        with connection.transaction():
            connection.execute("UPDATE notes SET body = %s WHERE id = %s", ("new", 3), prepare=True)


def kill_at_random(agent: AgentProcess, *, times: int, port: int) -> int:
    """Start and kill the agent this many times, mostly while it sends.

    Return how many kills hit a running agent.
    """
    dice = random.Random(20261121)
    lives = 0
    for _ in range(times):
        agent.start()
        time.sleep(dice.uniform(0.4, 1.2))
        deadline = time.monotonic() + 1
        while not agent.is_connected_to(port) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(dice.uniform(0, 0.04))
        lives += agent.is_running
        agent.kill()
    return lives


def public_activity(keyway: KeywayServer, host: str, *, since: str) -> list[dict[str, Any]]:
    """Return every event of the host, following the cursors of the public API."""
    found: list[dict[str, Any]] = []
    parameters = {"since": since, "limit": "1000"}
    headers = {"X-Api-Key": secret(keyway, "public")}
    while True:
        answer = requests.get(
            f"{keyway.url}/api/v1/public/audit-activity", parameters, headers=headers, timeout=30
        )
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [event for event in page["data"] if event["host"] == host]
        if not page["next_cursor"]:
            return found
        parameters["cursor"] = page["next_cursor"]


Statements = Counter[tuple[str, str]]


def logged_statements(logs: Path) -> tuple[Statements, Statements]:
    """Count logged and failed statements by session and text, without using the agent's code.

    An error belongs to the previous statement of its session if the text is the same. Otherwise the
    failed statement was never logged by itself.
    """
    logged: Statements = Counter()
    failed: Statements = Counter()
    last: dict[str, str] = {}
    for row in log_rows(logs):
        session, tag, severity, message, query = row[5], row[7], row[11], row[13], row[19]
        if severity == "LOG" and message.startswith(("statement: ", "execute ")):
            last[session] = message.split(": ", 1)[1]
            logged[session, last[session][:STATEMENT_LIMIT]] += 1
        elif severity in {"ERROR", "FATAL"} and query:
            if last.get(session) != query or tag in {"PARSE", "BIND"}:
                logged[session, query[:STATEMENT_LIMIT]] += 1
            failed[session, query[:STATEMENT_LIMIT]] += 1
            last.pop(session, None)
    return logged, failed


def log_rows(logs: Path) -> Iterator[list[str]]:
    csv.field_size_limit(1_000_000)
    for file in sorted(logs.glob("*.csv")):
        with file.open(newline="", encoding="utf-8", errors="replace") as lines:
            yield from (row for row in csv.reader(lines) if len(row) >= 23)
