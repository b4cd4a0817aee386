"""The agent against a real Keyway: identity, configuration, and refusals."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.logs import BOTH, STATEMENTS, put
from tests.agent.running import AgentProcess
from tests.servers.keyway import ROOT, KeywayServer

pytestmark = pytest.mark.server

# Executes each line it reads, a JSON string of Python, and prints what the code assigned to `out`.
BESIDE_THE_SERVER = """
import json, sys
from apikeys import services as keys
from apikeys.models import Key
from apikeys.services import Order
from audit.trail.actor import Actor
from audit.models import ActivityEvent
from tenants import services as tenants
from tenants.agents import services as agents
from tenants.models import Agent, Organization
by = Actor.system("tests")
for line in sys.stdin:
    names = globals() | {"out": None}
    exec(json.loads(line), names)
    print(json.dumps(names["out"], default=str), flush=True)
"""


Shell = Callable[[str], Any]
Issue = Callable[[], tuple[str, str]]


@pytest.fixture(scope="module")
def shell(keyway: KeywayServer) -> Iterator[Shell]:
    """Run code in the server's environment: ``shell("out = …")`` returns `out`."""
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", BESIDE_THE_SERVER]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=keyway.environment,
        text=True,
        bufsize=1,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        stdin, stdout = process.stdin, process.stdout

        def run(code: str) -> Any:
            stdin.write(json.dumps(code) + "\n")
            return json.loads(stdout.readline())

        yield run


@pytest.fixture
def tenant(shell: Shell, request: pytest.FixtureRequest) -> str:
    """Create an organization for this test and return its slug."""
    slug = f"agents-{abs(hash(request.node.name)) % 10**9}"
    shell(f"tenants.create_organization(name={slug!r}, slug={slug!r}, by=by)")
    return slug


@pytest.fixture
def issue(shell: Shell, tenant: str) -> Issue:
    """Issue an agent key and return its id and secret."""

    def issued() -> tuple[str, str]:
        order = (
            f"organization=Organization.objects.get(slug={tenant!r}),"
            " order=Order('Agent'), by=by, created_by=None"
        )
        id_, secret = shell(
            f"issued = keys.issue_agent_key({order})\n"
            "out = [issued.key.pk, issued.plaintext.reveal()]"
        )
        return id_, secret

    return issued


@pytest.fixture
def agent(tmp_path: Path, keyway: KeywayServer) -> Iterator[AgentProcess]:
    source = {
        "Type": "postgresql-csvlog",
        "Path": str(put(tmp_path / "log", STATEMENTS)),
        "TimeZone": "Europe/Berlin",
    }
    with AgentProcess(tmp_path / "agent", ServerUrl=keyway.url, Source=source) as agent:
        yield agent


def stored(shell: Shell, tenant: str) -> list[str]:
    """Return the action ids of the tenant's events."""
    where = f"organization_id=Organization.objects.get(slug={tenant!r}).pk"
    found = shell(
        f"events = ActivityEvent.objects.filter({where}).order_by('event_id')\n"
        "out = list(events.values_list('action_id', flat=True))"
    )
    return [str(action) for action in found]


def eventually(claim: Callable[[], object], seconds: float = 120) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := claim()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return bool(held)


def test_check_shows_the_keys_organization_and_scopes(
    agent: AgentProcess, issue: Issue, tenant: str
) -> None:
    _, secret = issue()
    agent.configure(AgentApiKey=secret)
    assert agent.run("--check") == 0
    assert tenant in agent.log
    assert "read:agent-config, write:agent-events, write:agent-heartbeat" in agent.log
    assert "1 csvlog files, 20947 bytes" in agent.log
    assert not agent.state.exists()
    assert secret not in agent.log


def test_new_key_resumes_where_the_revoked_key_stopped(
    agent: AgentProcess, issue: Issue, shell: Shell, tenant: str, tmp_path: Path
) -> None:
    key, secret = issue()
    agent.configure(AgentApiKey=secret)
    agent.start()
    assert eventually((agent.state / "cursor.json").exists)
    before = len(stored(shell, tenant))
    assert before == 61
    shell(f"keys.revoke(key=Key.objects.get(pk={key!r}), by=by)")
    shutil.copy(BOTH, tmp_path / "log")
    assert agent.wait(30) == 77
    assert "permanently refuses the key: revoked_key" in agent.log
    assert len(stored(shell, tenant)) == before
    assert agent.run() == 77
    _, renewed = issue()
    agent.configure(AgentApiKey=renewed)
    assert agent.run("--once") == 0, agent.log
    assert len(stored(shell, tenant)) > before + 50
    assert not (agent.state / "rejected.ndjson").exists()


def test_key_of_the_wrong_kind_exits_with_77(agent: AgentProcess, keyway: KeywayServer) -> None:
    agent.configure(AgentApiKey=keyway.key(kind="public", environment="live")["secret"])
    assert agent.run("--once") == 77
    assert "wrong_key_type" in agent.log
    assert agent.run("--check") == 77


def test_events_are_kept_while_the_key_is_paused(
    agent: AgentProcess, issue: Issue, shell: Shell, tenant: str
) -> None:
    key, secret = issue()
    agent.configure(AgentApiKey=secret)
    shell(f"keys.pause(key=Key.objects.get(pk={key!r}), by=by)")
    agent.start()
    assert eventually(lambda: "401 paused_key" in agent.log)
    time.sleep(1)
    assert agent.is_running
    shell(f"keys.resume(key=Key.objects.get(pk={key!r}), by=by)")
    assert agent.terminate() == 0
    assert agent.run("--once") == 0
    assert len(stored(shell, tenant)) == 61


def test_configuration_change_applies_to_a_running_agent(
    agent: AgentProcess, issue: Issue, shell: Shell, tenant: str, tmp_path: Path
) -> None:
    _, secret = issue()
    configure = (
        f"current = agents.configuration_in_force(Organization.objects.get(slug={tenant!r}).pk)\n"
        "agents.change_configuration(current=current, changes=%r, by=by)"
    )
    shell(configure % {"actions": ["DR", "G"], "heartbeat_interval_seconds": 5})
    agent.configure(AgentApiKey=secret)
    agent.start()
    assert eventually((agent.state / "cursor.json").exists)
    assert sorted(stored(shell, tenant)) == ["DR", "G"]
    shell(configure % {"actions": ["LGIF"], "batch_size": 1})
    assert eventually(lambda: "Applied configuration version 3" in agent.log)
    shutil.copy(BOTH, tmp_path / "log")
    assert eventually(lambda: len(stored(shell, tenant)) == 5)
    assert sorted(stored(shell, tenant)) == ["DR", "G", "LGIF", "LGIF", "LGIF"]
    facts = shell(
        f"agent = Agent.objects.filter(organization__slug={tenant!r})\n"
        "out = agent.values('host', 'version', 'queue_depth').get()"
    )
    assert (facts["host"], facts["version"]) == ("pg-under-test", "0.1.0")
    assert agent.terminate() == 0


def test_simulated_events_are_stored(
    agent: AgentProcess, issue: Issue, shell: Shell, tenant: str
) -> None:
    _, secret = issue()
    agent.configure(AgentApiKey=secret)
    assert agent.run("--simulate", "3", "--once") == 0, agent.log
    actions = stored(shell, tenant)
    assert len(actions) >= 180
    assert {"SL", "IN", "UP"} < set(actions)
    assert not (agent.state / "rejected.ndjson").exists()
