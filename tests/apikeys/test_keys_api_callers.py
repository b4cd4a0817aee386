"""Who may manage which keys over the API.

A person's role decides, a key's own authority, and for a browser its CSRF token and recent sign-in.
"""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apikeys.models import Key
from apikeys.services import Issued
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import Role
from tests.apikeys.test_keys_api import GOOD, URL, create, names, send
from tests.conftest import PASSWORD, SYSTEM, IssueKey, api, client_of, join, membership_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def olivia(acme: Organization) -> User:
    return join(acme, "olivia", Role.OWNER)


@pytest.fixture
def alices_key(issue_public_key: IssueKey, alice: User) -> Issued:
    return issue_public_key(owner=alice, name="Alice's key")


def status_and_code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def try_all(client: Any, key: Key) -> list[tuple[int, str]]:
    """Try to show, edit, rotate and revoke the key."""
    path = f"{URL}/{key.public_id}"
    as_json = {"content_type": "application/json"}
    return [
        status_and_code(client.get(path)),
        status_and_code(client.patch(path, '{"name": "Changed"}', **as_json)),
        status_and_code(client.post(f"{path}/rotate", "{}", **as_json)),
        status_and_code(client.delete(path, "{}", **as_json)),
    ]


ALL, NOT_OWNER, NOT_FOUND = [(200, "")] * 4, [(403, "not_key_owner")] * 4, [(404, "not_found")] * 4
READS = [(200, "")] + [(403, "not_key_owner")] * 3


@pytest.mark.parametrize(
    ("name", "of_bob", "of_alice", "of_agents"),
    [
        ("bob", ALL, NOT_OWNER, NOT_OWNER),
        ("alice", ALL, ALL, ALL),
        ("olivia", ALL, ALL, ALL),
        ("carol", READS, READS, READS),
        ("staff", NOT_FOUND, NOT_FOUND, ALL),
        ("mallory", NOT_FOUND, NOT_FOUND, NOT_FOUND),
    ],
)
def test_role_decides_which_keys_can_be_changed(
    *, name: str, of_bob: Any, of_alice: Any, of_agents: Any, public_key: Issued,
    alices_key: Issued, agent_key: Issued, olivia: User, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    client = client_of(request.getfixturevalue(name))
    assert [try_all(client, each.key) for each in (public_key, alices_key, agent_key)] == [
        of_bob,
        of_alice,
        of_agents,
    ]


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("bob", {"SIEM Integration"}),
        ("alice", {"SIEM Integration", "Alice's key", "Production SQL 01 Agent"}),
        ("carol", {"SIEM Integration", "Alice's key", "Production SQL 01 Agent"}),
        ("staff", {"Production SQL 01 Agent", "Globex agent"}),
        ("mallory", {"Globex agent"}),
    ],
)
def test_role_decides_which_keys_are_listed(
    *, name: str, seen: set[str], public_key: Issued, alices_key: Issued, agent_key: Issued,
    globex_agent_key: Issued, carol: User, staff: User, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    answer = client_of(request.getfixturevalue(name)).get(URL)
    assert set(names(answer)) == seen
    assert answer.json()["total"] == len(seen)


AGENT = {"name": "agent", "kind": "agent"}


@pytest.mark.parametrize(
    ("name", "public", "agent"),
    [("bob", 201, 403), ("alice", 201, 201), ("carol", 403, 403), ("staff", 403, 201)],
)
def test_role_decides_which_kinds_can_be_issued(
    name: str, public: int, agent: int, acme: Organization, request: pytest.FixtureRequest
) -> None:
    client = client_of(request.getfixturevalue(name))
    bodies = (GOOD, AGENT)
    assert [
        send(client, body={**body, "organization_id": acme.public_id}).status_code
        for body in bodies
    ] == [public, agent]


def test_organization_is_required_if_ambiguous(
    bob: User, globex: Organization, acme: Organization
) -> None:
    client = client_of(bob)
    assert create(client, organization_id=globex.public_id).status_code == 404
    assert create(client, organization_id="org_123").status_code == 404
    assert create(client).status_code == 201
    tenants.add_member(organization=globex, user=bob, role=Role.MEMBER, by=SYSTEM)
    assert list(create(client).json()["errors"]) == ["organization_id"]
    assert (
        create(client, organization_id=globex.public_id).json()["organization_id"]
        == globex.public_id
    )


def test_suspended_organization_allows_read_and_revoke(public_key: Issued, bob: User) -> None:
    tenants.suspend_organization(organization=public_key.key.organization, by=SYSTEM)
    client = client_of(bob)
    assert try_all(client, public_key.key) == [
        (200, ""),
        (403, "forbidden"),
        (403, "forbidden"),
        (200, ""),
    ]
    assert create(client).status_code == 403


def test_former_member_can_revoke_own_keys(
    public_key: Issued, bob: User, globex: Organization
) -> None:
    tenants.remove_member(membership=membership_of(bob), by=SYSTEM)
    assert try_all(client_of(bob), public_key.key) == [
        (200, ""),
        (403, "forbidden"),
        (403, "forbidden"),
        (200, ""),
    ]


def test_missing_credential_gets_a_challenge(public_key: Issued) -> None:
    answer = Client().get(f"{URL}/{public_key.key.public_id}")
    assert status_and_code(answer) == (401, "missing_key")
    assert "WWW-Authenticate" in answer


def test_user_token_acts_for_its_user(public_key: Issued, bob: User) -> None:
    signed_in = Client().post(
        "/api/v1/auth/login",
        {"email": bob.email, "password": PASSWORD},
        content_type="application/json",
    )
    bearer = api(HTTP_AUTHORIZATION=f"Bearer {signed_in.json()['access_token']}")
    assert bearer.post(URL, GOOD, format="json").status_code == 201
    assert bearer.delete(f"{URL}/{public_key.key.public_id}").status_code == 200
    both = api(public_key, HTTP_AUTHORIZATION=f"Bearer {signed_in.json()['access_token']}")
    assert status_and_code(both.get(URL)) == (400, "several_credentials")


def test_session_needs_a_csrf_token(bob: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
    session["account_authentication_methods_user"] = str(bob.pk)
    session.save()
    assert status_and_code(create(client)) == (403, "csrf_failed")
    token = client.get("/profile/").cookies["keyway-csrf"].value
    assert send(client, body=GOOD, **{"X-CSRFToken": token}).status_code == 201


def test_session_needs_a_recent_sign_in(public_key: Issued, bob: User, settings: Settings) -> None:
    client = client_of(bob)
    assert create(client).status_code == 201
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    assert status_and_code(create(client)) == (403, "recent_sign_in_required")
    refused = (403, "recent_sign_in_required")
    assert try_all(client, public_key.key) == [(200, ""), refused, refused, refused]


# Keys that manage keys.


@pytest.fixture
def manager(issue_public_key: IssueKey) -> Issued:
    return issue_public_key(name="Bob's manager", scopes=("manage:api-keys", "read:audit-activity"))


def test_managing_key_needs_scope_and_public_kind(
    public_key: Issued, agent_key: Issued, manager: Issued
) -> None:
    assert api(manager).get(URL).status_code == 200
    assert status_and_code(api(public_key).get(URL)) == (403, "insufficient_scope")
    assert status_and_code(api(agent_key).get(URL)) == (403, "wrong_key_type")


def test_managing_key_changes_only_keys_it_covers(
    manager: Issued,
    public_key: Issued,
    alices_key: Issued,
    agent_key: Issued,
    issue_public_key: IssueKey,
) -> None:
    stronger = issue_public_key(name="stronger", scopes=("read:databases",))
    elsewhere = issue_public_key(name="test data", environment="test")
    client = api(manager)
    assert try_all(client, public_key.key) == ALL
    assert try_all(client, alices_key.key) == try_all(client, agent_key.key) == NOT_OWNER
    assert try_all(client, stronger.key) == [(200, "")] + [(403, "stronger_than_issuer")] * 3
    assert try_all(client, elsewhere.key) == NOT_FOUND
    assert set(names(client.get(URL))) == {"Changed", "stronger", "Bob's manager"}
    assert (
        TrailEntry.objects.filter(target_id=public_key.key.public_id, actor_kind="key").count() == 3
    )


def test_managing_key_passes_on_its_limits(issue_public_key: IssueKey, bob: User) -> None:
    expires_at = timezone.now() + timedelta(days=10)
    manager = issue_public_key(
        scopes=("manage:api-keys",), environment="test", expires_at=expires_at
    )
    made = (
        api(manager)
        .post(URL, {"name": "child", "scopes": ["manage:api-keys"]}, format="json")
        .json()
    )
    assert (made["environment"], made["owner"]["id"]) == ("test", bob.public_id)
    assert Key.objects.get(name="child").expires_at == expires_at
    assert isinstance(verify(made["key"], now=timezone.now()), Credential)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"scopes": ["read:databases"]}, "scope_not_grantable"),
        ({"environment": "test"}, "stronger_than_issuer"),
        ({"kind": "agent", "scopes": []}, "forbidden"),
    ],
)
def test_managing_key_issues_nothing_stronger(
    change: dict[str, object], code: str, manager: Issued
) -> None:
    client = api(manager)
    assert client.post(URL, GOOD, format="json").status_code == 201
    assert status_and_code(client.post(URL, GOOD | change, format="json")) == (403, code)


def test_agent_key_requires_a_key_with_admin(
    olivia: User, alice: User, issue_public_key: IssueKey
) -> None:
    admin = issue_public_key(owner=olivia, scopes=("admin",))
    assert api(admin).post(URL, AGENT, format="json").status_code == 201
    lesser = issue_public_key(owner=alice, scopes=("manage:api-keys",))
    assert status_and_code(api(lesser).post(URL, AGENT, format="json")) == (
        403,
        "scope_not_grantable",
    )


def test_managing_key_cannot_touch_a_stronger_key(
    manager: Issued, alice: User, olivia: User, issue_public_key: IssueKey
) -> None:
    alices = api(issue_public_key(owner=alice, scopes=("manage:api-keys", "read:audit-activity")))
    owners = issue_public_key(owner=olivia, scopes=("admin",))
    assert try_all(alices, owners.key)[1:] == [(403, "stronger_than_issuer")] * 3
    assert try_all(alices, manager.key) == ALL


def test_admin_can_revoke_but_not_rotate_owners_key(
    alice: User, olivia: User, issue_public_key: IssueKey
) -> None:
    owners = issue_public_key(owner=olivia, scopes=("admin",))
    refused = (403, "scope_not_grantable")
    assert try_all(client_of(alice), owners.key) == [(200, ""), (200, ""), refused, (200, "")]


def test_demotion_narrows_a_managing_key(manager: Issued, bob: User) -> None:
    client = api(manager)
    assert client.get(URL).status_code == 200
    tenants.change_role(membership=membership_of(bob), role=Role.AUDITOR, by=SYSTEM)
    assert status_and_code(client.get(URL)) == (403, "insufficient_scope")


def test_bound_key_is_refused_outside_its_networks(
    issue_public_key: IssueKey, manager: Issued
) -> None:
    made = api(manager).post(URL, GOOD | {"allowed_cidrs": ["192.0.2.0/24"]}, format="json").json()
    client = api(HTTP_X_API_KEY=made["key"])
    for path in ("/api/v1/whoami", "/api/v1/public/audit-activity"):
        assert client.get(path, REMOTE_ADDR="192.0.2.9").status_code == 200
        assert status_and_code(client.get(path, REMOTE_ADDR="198.51.100.9")) == (
            403,
            "ip_not_allowed",
        )


def test_replaced_secret_issues_nothing_that_outlasts_it(manager: Issued, bob: User) -> None:
    acting = api(manager)
    path = f"/{manager.key.public_id}/rotate"
    assert send(client_of(bob), path, {"grace": 3600}).status_code == 200
    assert acting.get("/api/v1/whoami").json()["rotating_out"]
    assert status_and_code(send(acting, path, "{}")) == (403, "stronger_than_issuer")
