"""Overloaded servers, proxies and outages: no event is lost, no retry comes too soon."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.fake_server import FakeServer, Reply, problem
from tests.agent.logs import STATEMENTS, put
from tests.agent.running import AgentProcess
from tests.servers.ports import free_port

pytestmark = pytest.mark.server

SECRET = "ak_live_abcdefghijklmnopqrstuvwxyz012345"
EVENTS = 61  # events in the sample


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    source = {"Type": "postgresql-csvlog", "Path": str(put(tmp_path / "log", STATEMENTS))}
    with AgentProcess(
        tmp_path / "agent", ServerUrl="http://127.0.0.1:9", AgentApiKey=SECRET, Source=source
    ) as agent:
        yield agent


def place(agent: AgentProcess) -> dict[str, Any]:
    file = agent.state / "cursor.json"
    return json.loads(file.read_text()) if file.exists() else {}


@pytest.mark.parametrize("status", [429, 503])
def test_busy_server_is_retried_after_retry_after(agent: AgentProcess, status: int) -> None:
    busy = problem(status, "rate_limited", **{"Retry-After": "2"})
    with FakeServer(busy, busy) as server:
        agent.configure(ServerUrl=server.url)
        assert agent.run("--once") == 0, agent.log
        first, second, third = server.batches
    assert second.at - first.at >= 2
    assert third.at - second.at >= 2
    assert first.events == second.events == third.events
    assert len(third.events) == EVENTS


def test_oversized_batch_is_halved_until_accepted(agent: AgentProcess) -> None:
    with FakeServer(most_events=10) as server:
        agent.configure(ServerUrl=server.url)
        assert agent.run("--once") == 0, agent.log
        taken = [
            event["event_id"]
            for batch in server.batches
            if len(batch.events) <= 10
            for event in batch.events
        ]
    assert len(taken) == len(set(taken)) == EVENTS
    assert len(server.batches[0].events) == EVENTS


def test_single_oversized_event_is_set_aside(
    agent: AgentProcess,
) -> None:
    with FakeServer(*[Reply(413)] * 8) as server:
        agent.configure(ServerUrl=server.url)
        assert agent.run("--once") == 0, agent.log
        sizes = [len(batch.events) for batch in server.batches[:8]]
    assert sizes == [61, 30, 15, 7, 3, 1, 1, 1]
    aside = [
        json.loads(line) for line in (agent.state / "rejected.ndjson").read_text().splitlines()
    ]
    assert len(aside) == 3
    assert sum(len(batch.events) for batch in server.batches[8:]) == EVENTS - 3


def test_rejected_event_is_kept_with_its_reason(agent: AgentProcess) -> None:
    verdict = {
        "index": 3,
        "code": "conflicting_event",
        "field": "event_id",
        "detail": "Another one.",
    }
    partly = Reply(
        200, json.dumps({"accepted": EVENTS - 1, "duplicate": 0, "rejected": [verdict]}).encode()
    )
    with FakeServer(partly) as server:
        agent.configure(ServerUrl=server.url)
        assert agent.run("--once") == 0, agent.log
        (batch,) = server.batches
    (aside,) = [
        json.loads(line) for line in (agent.state / "rejected.ndjson").read_text().splitlines()
    ]
    assert aside["event"] == batch.events[3]
    assert (aside["code"], aside["field"], aside["detail"]) == (
        "conflicting_event",
        "event_id",
        "Another one.",
    )
    assert "rejected 1 events (conflicting_event)" in agent.log


@pytest.mark.parametrize(
    "strange",
    [
        Reply(401, b"<h1>Sign in to the proxy</h1>", {"Content-Type": "text/html"}),
        Reply(200, b"<h1>Welcome</h1>"),
        Reply(200, b'{"accepted": 60, "duplicate": 0, "rejected": []}'),
        Reply(200, b'{"accepted": 60, "duplicate": 0, "rejected": [{"index": 70, "code": "x"}]}'),
        Reply(200, b"{}"),
        Reply(404),
        problem(401, "paused_key"),
        problem(401, "organization_suspended"),
    ],
)
def test_temporary_refusal_does_not_advance_the_cursor(agent: AgentProcess, strange: Reply) -> None:
    with FakeServer(strange) as server:
        agent.configure(ServerUrl=server.url)
        assert agent.run("--once") == 75, agent.log
        assert place(agent) == {}
        assert agent.run("--once") == 0, agent.log
        first, second = server.batches
    assert first.events == second.events


def test_service_keeps_running_while_its_key_is_paused(agent: AgentProcess) -> None:
    with FakeServer(problem(401, "paused_key")) as server:
        agent.configure(ServerUrl=server.url)
        agent.start()
        deadline = time.monotonic() + 20
        while "401 paused_key" not in agent.log and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (
            "The server refuses the request for now: 401 paused_key: Because."
            " Nothing is lost; retrying in "
        ) in agent.log
        assert agent.is_running
        assert agent.terminate() == 0
    assert len(server.batches) == 1
    assert place(agent) == {}


def test_redirect_is_not_followed_with_the_key(agent: AgentProcess) -> None:
    with (
        FakeServer() as elsewhere,
        FakeServer(
            Reply(307, headers={"Location": f"{elsewhere.url}/api/v1/agent/events"})
        ) as server,
    ):
        agent.configure(ServerUrl=server.url)
        assert agent.run("--once") == 75
    assert elsewhere.requests == []


def test_service_survives_an_unreachable_server(agent: AgentProcess) -> None:
    port = free_port()
    agent.configure(ServerUrl=f"http://127.0.0.1:{port}")
    agent.start()
    time.sleep(2.5)
    assert agent.is_running
    with FakeServer() as server:
        agent.kill()  # nothing was delivered, so the next start reads from the beginning
        agent.configure(ServerUrl=server.url)
        assert agent.run("--once") == 0
        assert sum(len(batch.events) for batch in server.batches) == EVENTS


def test_closed_connection_is_retried(agent: AgentProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        agent.configure(ServerUrl=f"http://127.0.0.1:{listener.getsockname()[1]}")
        agent.start()
        for _ in range(6):
            connection, _ = listener.accept()
            connection.close()
        assert agent.is_running
        assert agent.terminate() == 0


def test_key_is_sent_in_its_header_and_written_nowhere(agent: AgentProcess) -> None:
    with FakeServer(problem(503, "unavailable"), Reply(500, b"boom")) as server:
        agent.configure(ServerUrl=server.url)
        agent.start("--verbose")
        deadline = time.monotonic() + 30
        while len(server.batches) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert agent.terminate() == 0
    assert {request.headers["X-API-Key"] for request in server.requests} == {SECRET}
    written = agent.log + "".join(file.read_text() for file in agent.state.iterdir())
    assert not any(SECRET[at : at + 12] in written for at in range(len(SECRET) - 12))
    assert not any(SECRET in request.path for request in server.requests)
