"""Scopes may be written in either order of words, and no spelling grants or escapes anything."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apikeys import scopes, services
from apikeys.checks import check_scopes
from apikeys.errors import ScopeNotGrantable
from apikeys.models import Key
from apikeys.services import Changes, Issued
from apikeys.services.callers import Caller
from apikeys.verify import judge
from apikeys.verify.denials import Reason
from apikeys.verify.judge import Credential, authorize, verify
from audit.models import TrailEntry
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import Role
from tests.apikeys.oauth.flow import call, service_of
from tests.apikeys.test_gateway import ask
from tests.apikeys.test_keys_api import create, send
from tests.conftest import SYSTEM, IssueKey, api, client_of, join, membership_of

pytestmark = pytest.mark.django_db
AGENTAURI = [
    "triggers:read",
    "triggers:write",
    "events:read",
    "organizations:read",
    "organizations:write",
    "api-keys:manage",
]
READING = frozenset({"read:audit-activity"})


def credential(issued: Issued) -> Credential:
    found = verify(issued.plaintext.reveal(), now=timezone.now())
    assert isinstance(found, Credential)
    return found


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("api-keys:manage", "manage:api-keys"),
        ("events:read", "read:audit-activity"),
        ("read:events", "read:audit-activity"),
        ("audit-activity:read", "read:audit-activity"),
        ("read:triggers", "triggers:read"),
        ("databases:write", "write:databases"),
        ("agent-events:write", "write:agent-events"),
    ],
)
def test_each_spelling_is_one_scope(spelling: str, name: str) -> None:
    assert scopes.canonical(spelling) == scopes.canonical(name) == name
    assert name in scopes.registry()
    assert spelling not in scopes.registry()


@pytest.mark.parametrize(
    "text",
    ["", "admin:", ":admin", "ADMIN", "Events:read", "events:read ", "read:events:read", "a"],
)
def test_unknown_spelling_is_no_scope(text: str, issue_public_key: IssueKey) -> None:
    assert scopes.canonical(text) == text
    with pytest.raises(ScopeNotGrantable):
        issue_public_key(scopes=[text])


def test_answers_echo_the_spelling_asked_for(alice: User) -> None:
    asked = sorted(AGENTAURI)
    made = create(client_of(alice), scopes=AGENTAURI)
    assert (made.status_code, made.json()["scopes"]) == (201, asked)
    path = f"/{made.json()['id']}"
    shown = send(client_of(alice), path, method="get").json()
    listed = send(client_of(alice), method="get").json()["data"][0]
    assert shown["scopes"] == listed["scopes"] == asked
    key = Key.objects.get()
    assert key.granted_scopes == scopes.canonical_all(AGENTAURI)
    entry = TrailEntry.objects.get(action="key.issued")
    assert '"events:read"' in entry.body


def test_both_spellings_of_a_scope_are_kept_once(issue_public_key: IssueKey) -> None:
    issued = issue_public_key(scopes=["events:read", "read:audit-activity", "read:events"])
    assert issued.key.scopes == ["events:read"]
    assert credential(issued).scopes == READING


def test_either_spelling_opens_what_it_grants(issue_public_key: IssueKey, alice: User) -> None:
    issued = issue_public_key(owner=alice, scopes=["events:read", "api-keys:manage"])
    assert api(issued).get("/api/v1/public/audit-activity").status_code == 200
    assert api(issued).get("/api/v1/api-keys").status_code == 200
    for scope in ("events:read", "read:audit-activity", "api-keys:manage", "manage:api-keys"):
        assert authorize(credential(issued), scope=scope) is None
        assert ask(issued, f"scope={scope}").status == 204
    denied = authorize(credential(issued), scope="databases:read")
    assert denied
    assert denied.reason is Reason.INSUFFICIENT_SCOPE
    assert ask(issued, "scope=databases:read").status == 403
    assert ask(issued, "scope=databases:reads").status == 400


@pytest.mark.parametrize(
    "spelling", ["policies:write", "logs:read", "alerts:read", "agent-events:write", "read:x"]
)
def test_member_gets_nothing_by_another_spelling(bob: User, spelling: str) -> None:
    bobs = client_of(bob)
    made = create(bobs, scopes=["events:read"])
    assert made.status_code == 201
    refused = create(bobs, scopes=["events:read", spelling])
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_not_grantable")
    edited = send(bobs, f"/{made.json()['id']}", {"scopes": ["events:read", spelling]}, "patch")
    assert (edited.status_code, edited.json()["code"]) == (403, "scope_not_grantable")
    assert Key.objects.get().scopes == ["events:read"]


def test_key_cannot_issue_more_by_another_spelling(issue_public_key: IssueKey, alice: User) -> None:
    managing = api(issue_public_key(owner=alice, scopes=["api-keys:manage", "events:read"]))

    def order(*names: str) -> Any:
        return managing.post("/api/v1/api-keys", {"name": "Child", "scopes": names}, format="json")

    assert order("read:audit-activity").status_code == 201
    for names in (["databases:read"], ["events:read", "policies:write"], ["read:triggers"]):
        assert order(*names).json()["code"] == "scope_not_grantable"


def test_stored_spelling_beyond_the_role_grants_nothing(public_key: Issued) -> None:
    assert credential(public_key).scopes == READING
    Key.objects.update(scopes=["events:read", "policies:write", "logs:read", "alerts:read"])
    judge._leases.clear()
    assert credential(public_key).scopes == READING


def test_demotion_narrows_any_spelling(
    issue_public_key: IssueKey, acme: Organization, alice: User
) -> None:
    join(acme, "olivia", Role.OWNER)
    issued = issue_public_key(owner=alice, scopes=["policies:write", "events:read"])
    assert authorize(credential(issued), scope="write:policies") is None
    tenants.change_role(membership=membership_of(alice), role=Role.MEMBER, by=SYSTEM)
    assert credential(issued).scopes == READING
    assert authorize(credential(issued), scope="policies:write")


def test_respelling_a_scope_is_no_widening(issue_public_key: IssueKey, bob: User) -> None:
    issued = issue_public_key(scopes=["events:read", "read:databases"])
    caller = Caller.person(bob)
    within = caller.authority_in(issued.key.organization_id)

    def edit(*names: str) -> None:
        changes = Changes(scopes=list(names))
        services.edit(key=issued.key, changes=changes, within=within, by=caller.actor)

    edit("read:audit-activity", "databases:read")
    issued.key.refresh_from_db()
    assert issued.key.scopes == ["databases:read", "read:audit-activity"]
    edit("databases:read")
    assert credential(issued).scopes == {"read:databases"}


def test_admin_covers_public_scopes_in_any_spelling() -> None:
    assert scopes.include({"admin"}, "events:read")
    assert scopes.include({"admin"}, "policies:write")
    assert not scopes.include({"admin"}, "agent-events:write")
    assert not scopes.include({"admin"}, "nothing:read")


def test_token_keeps_the_spelling_and_its_limits(acme: Organization, alice: User) -> None:
    program = service_of(acme, alice, "events:read", "read:databases")
    got = program.own_token(scope="read:events databases:read").json()
    assert set(got["scope"].split()) == {"read:events", "databases:read"}
    assert call(got["access_token"], "/api/v1/public/audit-activity").status_code == 200
    refused = program.own_token(scope="api-keys:manage")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


def entry(name: str, **more: str) -> dict[str, str]:
    return {"name": name, "title": "A title", "description": "A description"} | more


def test_setting_activates_a_built_in_scope(settings: Settings, issue_public_key: IssueKey) -> None:
    with pytest.raises(ScopeNotGrantable, match="coming soon"):
        issue_public_key(scopes=["read:alerts"])
    settings.KEYWAY_SCOPES = [entry("alerts:read"), {"name": "read:reports"}]
    assert check_scopes(None) == []
    issued = issue_public_key(scopes=["read:alerts", "reports:read"])
    assert credential(issued).scopes == {"read:alerts", "read:reports"}
    assert scopes.registry()["read:alerts"].title == "A title"
    assert scopes.registry()["read:reports"].title == "Read Reports"


@pytest.mark.parametrize(
    "entries",
    [
        [entry("admin", permission="issue_own_keys")],
        [entry("manage:api-keys")],
        [entry("api-keys:manage")],
        [entry("agent-events:write")],
        [entry("read:alerts", kind="agent")],
        [entry("read:alerts"), entry("alerts:read")],
        [entry("read:invoices"), entry("invoices:read")],
        [entry("read:alerts", state="on")],
    ],
)
def test_setting_cannot_change_or_double_a_scope(
    settings: Settings, entries: list[dict[str, str]]
) -> None:
    assert check_scopes(None) == []
    settings.KEYWAY_SCOPES = entries
    assert [error.id for error in check_scopes(None)] == ["keyway.E004"]


def test_operators_own_events_scope_stays_its_own(
    settings: Settings, issue_public_key: IssueKey
) -> None:
    settings.KEYWAY_SCOPES = [entry("events:read")]
    issued = issue_public_key(scopes=["events:read"])
    assert credential(issued).scopes == {"events:read"}
    assert authorize(credential(issued), scope="read:audit-activity")
    assert authorize(credential(issued), scope="read:events") is None


def test_read_preset_can_be_granted(bob: User) -> None:
    assert scopes.read_preset() == ["read:audit-activity"]
    assert create(Client(), scopes=scopes.read_preset()).status_code == 401
    assert create(client_of(bob), scopes=scopes.read_preset()).status_code == 201
