"""The page of a key: what it shows, to whom, and where its actions lead."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys import networks
from apikeys import services as keys
from apikeys.models import Key
from apikeys.services import Changes, Issued, Order
from apikeys.views.came_from import came_from
from audit.models import TrailEntry
from tenants import services as tenants
from tenants.access import actor
from tenants.models import Membership, Organization, User
from tenants.roles import Role
from tests.apikeys.test_editing import ADMIN, MEMBER
from tests.apikeys.test_rotation import rotate
from tests.apikeys.usage.test_statistics import use
from tests.conftest import SYSTEM, IssueKey, client_of, membership_of

pytestmark = pytest.mark.django_db


def address(issued: Issued, action: str = "") -> str:
    return f"/keys/{issued.key.public_id}/{action and action + '/'}"


def shown(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return re.sub(r"\s+", " ", response.content.decode())


def facts(html: str) -> dict[str, str]:
    """Return the text of the page's details by their label."""
    (details,) = re.findall(r'<dl class="facts">(.*?)</dl>', html)
    pairs = re.findall(r"<div><dt>([^<]+)</dt><dd>(.*?)</dd></div>", details)
    return {label: " ".join(re.sub(r"<[^>]+>", " ", value).split()) for label, value in pairs}


def actions(html: str) -> list[str]:
    (bar,) = re.findall(r'<div class="page-actions">(.*?)</div>', html)
    return re.findall(r'href="/keys/\w+/(\w+)/" data-dialog', bar)


def test_page_shows_all_facts_of_the_key(bob: User, issue_public_key: IssueKey) -> None:
    issued = issue_public_key(
        description="Copies activity at 02:00.",
        held_by="Vault, ci/export",
        scopes=("read:audit-activity", "read:databases"),
        allowed=networks.parse(["192.0.2.0/24", "2001:db8::/32"]),
        expires_at=timezone.now() + timedelta(days=90),
    )
    html = shown(client_of(bob), address(issued))
    seen = facts(html)
    assert "<p>Copies activity at 02:00.</p>" in html
    assert seen["Key ID"].startswith(issued.key.public_id)
    assert 'data-copy="#key-id"' in html
    assert seen["Key"] == issued.plaintext.mask
    assert seen["Kind"] == "Public key, live data"
    assert seen["Owner"] == f"Bob {bob.email}"
    assert seen["Organization"] == "Acme"
    assert seen["Held by"] == "Vault, ci/export"
    assert seen["Created"].endswith(f"by {bob.email}")
    assert "2 months" in seen["Expires"]
    assert seen["Scopes"] == (
        "Read Audit Activity read:audit-activity Read Databases read:databases"
    )
    assert seen["Networks"] == "192.0.2.0/24 2001:db8::/32"
    assert seen["Rate limits"].startswith("This key: 6,000 requests per minute")
    assert seen["Last used"] == "Never used"


def test_agent_key_belongs_to_the_organization(alice: User, agent_key: Issued) -> None:
    html = shown(client_of(alice), address(agent_key))
    seen = facts(html)
    assert seen["Owner"] == "Acme (the organization)"
    assert "write:agent-events" in seen["Scopes"]
    assert (seen["Expires"], seen["Networks"]) == ("Never", "Any network")


@pytest.fixture
def organization_key(acme: Organization, alice: User) -> Issued:
    return keys.issue_organization_key(
        organization=acme,
        order=Order(name="Warehouse loader"),
        scopes=("read:audit-activity",),
        by=actor(alice),
        created_by=alice,
        within=ADMIN,
    )


def test_organization_key_names_its_organization_as_owner(
    organization_key: Issued, alice: User, carol: User, bob: User, mallory: User
) -> None:
    html = shown(client_of(alice), address(organization_key))
    assert facts(html)["Owner"] == "Acme (the organization)"
    assert "Not in effect" not in html
    assert actions(html) == ["edit", "pause", "revoke"]
    assert actions(shown(client_of(carol), address(organization_key))) == []
    assert client_of(bob).get(address(organization_key)).status_code == 403
    assert client_of(mallory).get(address(organization_key)).status_code == 404
    edit = client_of(alice).get(address(organization_key, "edit")).content.decode()
    assert 'value="read:logs"' in edit
    assert 'value="admin"' not in edit


def test_scope_that_the_owners_role_lost_is_not_in_effect(
    alice: User, issue_public_key: IssueKey
) -> None:
    issued = issue_public_key(owner=alice, scopes=("read:audit-activity", "read:logs"))
    client = client_of(alice)
    assert "Not in effect" not in shown(client, address(issued))
    Membership.objects.filter(user=alice).update(role=Role.MEMBER)
    html = shown(client, address(issued))
    assert html.count("Not in effect") == 1
    assert "read:logs</code> <span" in html


def test_revoked_key_says_when_by_whom_and_why(bob: User, alice: User, public_key: Issued) -> None:
    keys.revoke(key=public_key.key, by=actor(alice), reason="Posted in a <b>channel</b>")
    html = shown(client_of(bob), address(public_key))
    assert re.search(rf"Revoked <time[^>]+>[^<]+</time> by {alice.email}</strong>", html)
    assert "Reason: Posted in a &lt;b&gt;channel&lt;/b&gt;" in html
    assert actions(html) == []


@pytest.mark.parametrize(
    ("name", "of_public", "of_agent"),
    [
        ("bob", ["edit", "pause", "revoke"], 403),
        ("alice", ["edit", "pause", "revoke"], ["edit", "pause", "revoke"]),
        ("carol", [], []),
        ("staff", 404, ["edit", "pause", "revoke"]),
        ("mallory", 404, 404),
    ],
)
def test_actions_are_those_the_user_may_take(
    name: str, of_public: Any, of_agent: Any, loot: Any, request: pytest.FixtureRequest
) -> None:
    client = client_of(request.getfixturevalue(name))
    agent, script = loot["key_id"]
    for key_id, expected in ((script, of_public), (agent, of_agent)):
        response = client.get(f"/keys/{key_id}/")
        if isinstance(expected, int):
            assert response.status_code == expected
        else:
            html = re.sub(r"\s+", " ", response.content.decode())
            assert actions(html) == expected
            assert [client.get(f"/keys/{key_id}/{each}/").status_code for each in expected] == [
                200
            ] * len(expected)


def test_paused_key_offers_resume(bob: User, public_key: Issued) -> None:
    keys.pause(key=public_key.key, by=SYSTEM)
    html = shown(client_of(bob), address(public_key))
    assert actions(html) == ["edit", "resume", "revoke"]
    assert "fail until it is resumed" in html


def test_colleagues_key_is_refused_with_its_reason(
    bob: User, agent_key: Issued, issue_public_key: IssueKey, alice: User
) -> None:
    client = client_of(bob)
    for theirs in (agent_key, issue_public_key(owner=alice)):
        response = client.get(address(theirs))
        assert response.status_code == 403
        assert "This key belongs to someone else." in response.content.decode()


def test_former_member_sees_and_revokes_their_key(
    bob: User, acme: Organization, public_key: Issued
) -> None:
    tenants.remove_member(membership=membership_of(bob), by=SYSTEM)
    client = client_of(bob)
    html = shown(client, address(public_key))
    assert actions(html) == ["revoke"]
    assert "/o/acme/" not in html
    for refused in ("edit", "pause"):
        assert client.post(address(public_key, refused)).status_code == 403
    assert client.post(address(public_key, "revoke")).status_code == 302
    assert Key.objects.get().revoked_at


def test_owner_reads_the_trail_of_their_own_key_only(
    bob: User, public_key: Issued, issue_public_key: IssueKey
) -> None:
    other = issue_public_key(name="Other")
    keys.pause(key=other.key, by=actor(bob))
    keys.edit(
        key=public_key.key,
        changes=Changes(scopes=["read:audit-activity", "read:databases"]),
        within=MEMBER,
        by=actor(bob, "203.0.113.9"),
    )
    html = shown(client_of(bob), address(public_key))
    assert re.findall(r"<p><strong>(Key \w+)</strong>", html) == ["Key edited", "Key issued"]
    assert "Read Audit Activity <span" in html
    assert "View in audit log" not in html
    assert "203.0.113.9" not in html, "addresses are for readers of the audit log"


def test_reader_of_the_trail_gets_a_link_to_it(carol: User, staff: User, agent_key: Issued) -> None:
    html = shown(client_of(carol), address(agent_key))
    link = f"/o/acme/audit-log/?target={agent_key.key.public_id}"
    assert f'href="{link}"' in html
    assert "Key issued" in shown(client_of(carol), link)
    assert "Key issued" not in shown(client_of(staff), address(agent_key))


def test_rotated_key_shows_both_secrets(bob: User, public_key: Issued) -> None:
    rotated = rotate(public_key, timedelta(hours=1))
    html = shown(client_of(bob), address(public_key))
    assert public_key.plaintext.mask in html
    assert rotated.plaintext.mask in html
    assert "Pending" in html


@pytest.mark.parametrize(
    ("route", "is_behind"),
    [
        ("/api/v1/whoami", False),
        ("/api/v1/api-keys/<key_id:key_id>", False),
        ("", False),
        ("(other)", False),
        ("/api/v1/verify", True),
        ("/orders/<id>", True),
        ("/orders", True),
    ],
)
def test_use_behind_a_gateway_is_noted(
    route: str, is_behind: bool, bob: User, public_key: Issued
) -> None:
    use(public_key, timezone.now(), route=route)
    client = client_of(bob)
    for page in (address(public_key), address(public_key, "usage")):
        assert ("Keyway’s answers only" in shown(client, page)) is is_behind


def test_page_stays_within_sixteen_queries(
    alice: User, issue_public_key: IssueKey, agent_key: Issued
) -> None:
    issued = issue_public_key()
    use(issued, timezone.now(), times=300)
    for number in range(60):
        keys.edit(
            key=issued.key,
            changes=Changes(description=f"{number}"),
            within=MEMBER,
            by=SYSTEM,
        )
    keys.revoke(key=issued.key, by=SYSTEM)
    client = client_of(alice)
    for each in (issued, agent_key):
        client.get(address(each))
        with CaptureQueriesContext(connection) as queries:
            shown(client, address(each))
        assert len(queries) <= 16, [query["sql"] for query in queries]
    assert TrailEntry.objects.filter(target_id=issued.key.public_id).count() == 62
    html = shown(client, address(issued))
    assert html.count("<p><strong>Key ") == 20
    assert "The latest 20 changes are shown." in html


OURS = [
    "/profile/?status=all&sort=name",
    "/o/acme/agents/api-keys/?page=2",
    "/o/acme/",
    "/keys/key_01m7y6g20mf5srss9tgh6dpnn7/",
]
NOT_OURS = [
    "",
    "https://evil.example/profile/",
    "//evil.example/profile/",
    "/\\evil.example/profile/",
    "\\\\evil.example/profile/",
    "https:/profile/",
    "https:profile/",
    "javascript:alert(1)",
    "\t//evil.example/profile/",
    "/profile/../../evil",
    "/accounts/logout/",
    "/keys/key_01m7y6g20mf5srss9tgh6dpnn7/revoke/",
    "/nowhere/",
    "profile/",
    "http://[/profile/",
]


@pytest.mark.parametrize("wanted", [*OURS, *NOT_OURS])
def test_action_returns_to_pages_of_keyway_only(wanted: str, bob: User, public_key: Issued) -> None:
    client = client_of(bob)
    page = address(public_key, "pause")
    form = client.get(page, {"next": wanted})
    back = wanted if wanted in OURS else address(public_key)
    fragment = "#api-keys" if back.startswith("/profile/") else ""
    assert f'href="{back}{fragment}"'.replace("&", "&amp;") in form.content.decode()
    response = client.post(f"{page}?{form.request['QUERY_STRING']}")
    assert (response.status_code, response["Location"]) == (302, back)
    assert Key.objects.get().paused_at


def test_line_breaks_in_the_return_address_are_dropped(rf: Any, public_key: Issued) -> None:
    default: Any = object()
    request = rf.get("/", {"next": "/pro\r\nfile/?a=1\r\nSet-Cookie: x"})
    assert "\n" not in came_from(request, default=default).url


def test_lists_link_to_the_page(
    alice: User, bob: User, issue_public_key: IssueKey, agent_key: Issued
) -> None:
    issued = issue_public_key(expires_at=timezone.now() + timedelta(days=3))
    link = f'<a href="{address(issued)}">SIEM Integration</a>'
    today = f"{timezone.now():%-d %b %Y}"
    profile = shown(client_of(bob), "/profile/?status=all")
    assert link in profile
    assert re.search(rf'data-label="Created"><time[^>]+>{today}</time>', profile)
    client = client_of(alice)
    assert link in shown(client, "/o/acme/")
    agents = shown(client, "/o/acme/agents/api-keys/")
    assert f'<a href="{address(agent_key)}">' in agents
    assert 'data-label="Created"' in agents


def test_hostile_texts_are_escaped(bob: User, issue_public_key: IssueKey) -> None:
    text = "</title><script>alert(1)</script>\"'{{7*7}}"
    issued = issue_public_key(name=text, description=text, held_by=text)
    client = client_of(bob)
    for action in ("", "edit", "usage"):
        html = shown(client, address(issued, action))
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)" in html
