"""The pages Administration → Tenant Agents and Agents."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys import services as keys
from apikeys.services import Issued
from apikeys.views.tenant_agents import PER_PAGE
from audit.models import ActivityEvent
from config.lib.ids import uuid7
from tenants import services as tenants
from tenants.agents import services as agents
from tenants.models import Agent, Organization, User
from tests.conftest import SYSTEM, IssueKey, client_of
from tests.pages import tables_asked

pytestmark = pytest.mark.django_db
TENANTS = "/administration/tenant-agents/"


def beat(
    organization: Organization,
    host: str,
    *,
    ago: float,
    key: Issued | None = None,
    environment: str = "live",
) -> Agent:
    at = timezone.now() - timedelta(seconds=ago)
    presence = agents.Presence(
        organization.pk, environment, key.key.pk if key else uuid7(), at, SYSTEM
    )
    return agents.heartbeat(
        presence, host=host, version="1.2.3", configuration_version=1, queue_depth=7
    )


def event(organization: Organization, *, hours_ago: float, environment: str = "live") -> None:
    now = timezone.now()
    ActivityEvent.objects.create(
        organization_id=organization.pk,
        environment=environment,
        event_id=uuid7(),
        received_at=now,
        host="h",
        action_id="SL",
        event_time=now - timedelta(hours=hours_ago),
        succeeded=True,
        digest=b"0" * 16,
    )


def test_row_shows_health_keys_events_and_heartbeat(
    acme: Organization,
    alice: User,
    agent_key: Issued,
    issue_agent_key: IssueKey,
    public_key: Issued,
) -> None:
    keys.revoke(key=issue_agent_key(name="Old").key, by=SYSTEM)
    newest = beat(acme, "a", ago=10)
    for host, ago in (("b", 20), ("c", 200), ("d", 4000)):
        beat(acme, host, ago=ago)
    for hours_ago, environment in ((1, "live"), (23.9, "live"), (24.1, "live"), (1, "test")):
        event(acme, hours_ago=hours_ago, environment=environment)
    [instance] = client_of(alice).get(TENANTS).context["instances"]
    assert (instance.healthy, instance.late, instance.silent) == (2, 1, 1)
    assert (instance.active_keys, instance.events) == (1, 2)
    assert instance.last_heartbeat_at == newest.last_heartbeat_at


def test_menu_uses_the_documented_words(alice: User) -> None:
    html = client_of(alice).get(TENANTS).content.decode()
    for words in (
        "<h1>Tenant Agents</h1>",
        "Tenant Instances",
        "Administration",
        "Manage API Keys",
        "Actions for Acme",
    ):
        assert words in html


def test_tenant_agents_lists_managed_organizations(
    alice: User, bob: User, carol: User, mallory: User, staff: User
) -> None:
    seen = {}
    for person in (alice, carol, mallory, staff):
        instances = client_of(person).get(TENANTS).context["instances"]
        seen[person] = [instance.organization.name for instance in instances]
    assert seen == {
        alice: ["Acme"],
        carol: ["Acme"],
        mallory: ["Globex"],
        staff: ["Acme", "Globex"],
    }
    response = client_of(bob).get(TENANTS)
    assert response.status_code == 403
    assert "doesn&#x27;t include access to agents" in response.content.decode()


def test_auditor_can_read_but_not_manage_keys(carol: User) -> None:
    html = client_of(carol).get(TENANTS).content.decode()
    assert "Manage API Keys" not in html
    assert "/o/acme/agents/api-keys/" in html


def test_tenant_agents_query_count_is_constant(staff: User, acme: Organization) -> None:
    beat(acme, "a", ago=1)
    client = client_of(staff)
    client.get(TENANTS)
    one = tables_asked(lambda: client.get(TENANTS))
    for number in range(12):
        organization = tenants.create_organization(
            name=f"Tenant {number}", slug=f"tenant-{number}", by=SYSTEM
        )
        beat(organization, "a", ago=1)
        event(organization, hours_ago=1)
    many = tables_asked(lambda: client.get(TENANTS))
    assert many == one
    figures = ("tenants_agent", "tenants_agentconfiguration", "apikeys_key", "audit_activityevent")
    assert [many[table] for table in figures] == [2, 1, 1, 1], (
        "health and heartbeats; intervals; keys; events"
    )


def test_tenant_agents_has_search_and_pages(staff: User, acme: Organization) -> None:
    for number in range(PER_PAGE):
        tenants.create_organization(
            name=f"Tenant {number:02}", slug=f"tenant-{number:02}", by=SYSTEM
        )
    client = client_of(staff)
    first = client.get(TENANTS)
    assert "1 to 25 of 26" in first.content.decode()
    assert len(client.get(f"{TENANTS}?page=2").context["instances"]) == 1
    found = client.get(f"{TENANTS}?q=ACME").context["instances"]
    assert [instance.organization for instance in found] == [acme]
    nothing = client.get(f"{TENANTS}?q=%3Cscript%3E%00").content.decode()
    assert "No organizations match" in nothing
    assert "&lt;script&gt;" in nothing
    assert client.get(f"{TENANTS}?page=x\0").status_code == 200


def test_agent_shows_key_configuration_and_queue(
    acme: Organization, alice: User, agent_key: Issued
) -> None:
    beat(acme, "sql-1", ago=1, key=agent_key)
    in_force = agents.configuration_in_force(acme.pk)
    agents.change_configuration(current=in_force, changes={"batch_size": 5}, by=SYSTEM)
    html = client_of(alice).get("/o/acme/agents/").content.decode()
    for words in ("sql-1", "Healthy", "1.2.3", "Version 1 of 2", "Production SQL 01 Agent", "7"):
        assert words in html


def test_agents_filter_by_health(acme: Organization, alice: User) -> None:
    beat(acme, "sql-well", ago=1)
    beat(acme, "sql-gone", ago=4000)
    client = client_of(alice)
    html = client.get("/o/acme/agents/?health=silent").content.decode()
    assert "sql-gone" in html
    assert "sql-well" not in html
    assert "sql-well" in client.get("/o/acme/agents/?health=x").content.decode()
    assert "No agents match" in client.get("/o/acme/agents/?health=late").content.decode()


def test_empty_agents_page_explains_connecting(alice: User, carol: User) -> None:
    html = client_of(alice).get("/o/acme/agents/").content.decode()
    for words in (
        "No agents connected yet",
        "AgentApiKey",
        "/o/acme/agents/api-keys/new/",
        "/docs/api/",
    ):
        assert words in html
    assert (
        "/o/acme/agents/api-keys/new/"
        not in client_of(carol).get("/o/acme/agents/").content.decode()
    )


def test_agents_query_count_is_constant(acme: Organization, alice: User, agent_key: Issued) -> None:
    beat(acme, "first", ago=1, key=agent_key)
    client = client_of(alice)
    client.get("/o/acme/agents/")
    one = tables_asked(lambda: client.get("/o/acme/agents/"))
    for number in range(10):
        beat(acme, f"host-{number}", ago=number, key=agent_key)
    assert tables_asked(lambda: client.get("/o/acme/agents/")) == one


def test_agents_page_roles(alice: User, bob: User, carol: User, mallory: User, staff: User) -> None:
    for address in ("/o/acme/agents/", "/o/acme/agents/configuration/"):
        statuses = [
            client_of(person).get(address).status_code
            for person in (alice, carol, staff, bob, mallory)
        ]
        assert statuses == [200, 200, 200, 403, 404]
