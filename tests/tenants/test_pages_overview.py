"""The overview shows each role only what it can read, and ``/`` leads to it."""

import re
import uuid
from datetime import timedelta

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys import services as keys
from apikeys.services import Issued
from audit.models import ActivityEvent
from tenants import services as tenants
from tenants.access import actor
from tenants.agents import services as agents
from tenants.models import Organization, User
from tenants.roles import Role
from tests.conftest import PASSWORD, SYSTEM, IssueKey, client_of
from tests.pages import tables_asked

PAGE = "/o/acme/"


def figures(user: User) -> dict[str, str]:
    """Return the figures of Acme's overview by label."""
    html = client_of(user).get(PAGE).content.decode()
    found = re.findall(
        r'stat-label">([^<]+)</span>\s*<span class="stat-value">([\d,]+)(?:<[^>]+> / ([\d,]+))?',
        html,
    )
    return {label: f"{value}/{total}" if total else value for label, value, total in found}


def seen(organization: Organization, issued: Issued, host: str, *, seconds_ago: int) -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    presence = agents.Presence(organization.pk, "live", issued.key.pk, at, SYSTEM)
    agents.heartbeat(presence, host=host, version="1", configuration_version=1, queue_depth=0)


def happened(organization: Organization, *, hours_ago: float, environment: str = "live") -> None:
    at = timezone.now() - timedelta(hours=hours_ago)
    ActivityEvent.objects.create(
        organization_id=organization.pk,
        environment=environment,
        event_id=uuid.uuid4(),
        event_time=at,
        received_at=at,
        host="sql-prod-01",
        action_id="SL",
        succeeded=True,
        digest=b"0" * 16,
    )


def test_overview_figures_are_counted(
    acme: Organization,
    globex: Organization,
    alice: User,
    issue_agent_key: IssueKey,
    issue_public_key: IssueKey,
) -> None:
    key = issue_agent_key()
    keys.revoke(key=issue_agent_key(name="Old").key, by=actor(alice))
    issue_public_key()
    issue_public_key(name="Soon", expires_at=timezone.now() + timedelta(days=13))
    keys.pause(key=issue_public_key(name="Paused").key, by=actor(alice))
    for host, seconds_ago in (("healthy", 1), ("late", 180), ("silent", 3600)):
        seen(acme, key, host, seconds_ago=seconds_ago)
    for hours_ago in (1, 23, 25):
        happened(acme, hours_ago=hours_ago)
    happened(acme, hours_ago=1, environment="test")
    happened(globex, hours_ago=1)
    assert figures(alice) == {
        "Healthy agents": "1/3",
        "Active agent keys": "1",
        "Active public keys": "2",
        "Keys expiring": "1",
        "Events": "2",
    }


def test_members_overview_counts_only_own_keys(
    acme: Organization,
    alice: User,
    bob: User,
    issue_agent_key: IssueKey,
    issue_public_key: IssueKey,
) -> None:
    soon = timezone.now() + timedelta(days=3)
    issue_agent_key(name="Agent of Acme", expires_at=soon)
    issue_public_key(owner=alice, name="Script of Alice", expires_at=soon)
    issue_public_key(owner=bob, name="Script of Bob", expires_at=soon)
    html = client_of(bob).get(PAGE).content.decode()
    assert figures(bob) == {"Your active keys": "1", "Keys expiring": "1", "Events": "0"}
    assert "Script of Bob" in html
    for hidden in ("Agent of Acme", "Script of Alice", "Recent changes", "Get started"):
        assert hidden not in html
    everything = client_of(alice).get(PAGE).content.decode()
    assert all(
        label in everything
        for label in ("Agent of Acme", "Script of Alice", "Script of Bob", "Recent changes")
    )


def test_first_steps_reflect_existing_data(
    acme: Organization, alice: User, issue_agent_key: IssueKey, issue_public_key: IssueKey
) -> None:
    def walked() -> int:
        html = client_of(alice).get(PAGE).content.decode()
        assert ("Get started" in html) == ("of 4 done" in html)
        return html.count("step-done") if "Get started" in html else 4

    assert walked() == 0
    key = issue_agent_key()
    assert walked() == 1
    seen(acme, key, "sql-prod-01", seconds_ago=1)
    assert walked() == 2
    happened(acme, hours_ago=1)
    assert walked() == 3
    issue_public_key()
    assert walked() == 4


def test_overview_escapes_labels(alice: User, issue_agent_key: IssueKey) -> None:
    issue_agent_key(name="<script>alert(1)</script>", expires_at=timezone.now() + timedelta(days=1))
    html = client_of(alice).get(PAGE).content.decode()
    assert html.count("&lt;script&gt;alert(1)") == 2
    assert "<script>alert" not in html


def test_overview_of_another_tenant_is_404(
    acme: Organization, alice: User, mallory: User, staff: User
) -> None:
    assert client_of(alice).get(PAGE).status_code == 200
    assert client_of(mallory).get(PAGE).status_code == 404
    assert client_of(staff).get(PAGE).status_code == 403


def test_root_redirects_to_the_last_organization(
    acme: Organization, globex: Organization, bob: User
) -> None:
    tenants.add_member(organization=globex, user=bob, role=Role.MEMBER, by=SYSTEM)
    client = client_of(bob)
    assert client.get("/").headers["Location"] == "/o/acme/"
    client.get("/o/globex/")
    assert client.get("/").headers["Location"] == "/o/globex/"


def test_root_redirects_every_kind_of_user(acme: Organization, staff: User) -> None:
    outsider = User.objects.create_user("erin@nowhere.example", PASSWORD)
    assert client_of(staff).get("/").headers["Location"] == "/administration/tenant-agents/"
    page = client_of(outsider).get("/").content.decode()
    assert "You don’t belong to an organization yet" in page
    assert Client().get("/").headers["Location"].startswith("/accounts/login/")


def test_overview_costs_the_same_for_many_keys(
    alice: User, agent_key: Issued, issue_public_key: IssueKey
) -> None:
    soon = timezone.now() + timedelta(days=3)
    issue_public_key(expires_at=soon)
    client = client_of(alice)
    client.get(PAGE)
    few = tables_asked(lambda: client.get(PAGE))
    for number in range(7):
        issue_public_key(name=f"Script {number}", expires_at=soon + timedelta(hours=number))
    assert tables_asked(lambda: client.get(PAGE)) == few
    with CaptureQueriesContext(connection) as queries:
        html = client.get(PAGE).content.decode()
    assert len(queries) <= 15, [query["sql"][:90] for query in queries]
    listed = "/o/acme/settings/api-keys/?status=expiring"
    assert f'href="{listed}">All 8</a>' in html
    assert html.count('data-label="Expires"') == 5
    assert len(list(client.get(listed).context["listing"])) == 8


def test_each_figure_links_to_what_it_counts(
    alice: User, bob: User, agent_key: Issued, issue_public_key: IssueKey
) -> None:
    issue_public_key(owner=alice, expires_at=timezone.now() + timedelta(days=3))
    issue_public_key(name="Other")
    for user in (alice, bob):
        client = client_of(user)
        linked = re.findall(
            r'<a href="([^"]+api-keys/[^"]*)">\s*<span class="stat-label">[^<]+</span>\s*'
            r'<span class="stat-value">(\d+)',
            client.get(PAGE).content.decode(),
        )
        assert len(linked) == (3 if user == alice else 2)
        for address, count in linked:
            assert len(list(client.get(address).context["listing"])) == int(count), address
