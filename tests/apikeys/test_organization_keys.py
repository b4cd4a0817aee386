"""Public keys of the organization: who issues them, what they can do, what ends them."""

from typing import Any

import pytest
from django.utils import timezone

from apikeys import scopes, services
from apikeys.models import Key
from apikeys.services import Changes, Issued, Order
from apikeys.services.callers import Caller
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from config.lib.errors import KeywayError
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import Role
from tests.apikeys.test_keys_api import GOOD, URL, send
from tests.conftest import SYSTEM, api, client_of, join, membership_of

pytestmark = pytest.mark.django_db
OURS: dict[str, Any] = {**GOOD, "owner": "organization"}
MANAGING: dict[str, Any] = {**OURS, "scopes": ["manage:api-keys", "read:audit-activity"]}


@pytest.fixture
def olivia(acme: Organization) -> User:
    return join(acme, "olivia", Role.OWNER)


@pytest.fixture
def managing(acme: Organization, alice: User) -> Issued:
    return issue(alice, acme, MANAGING["scopes"])


def issue(by: User, organization: Organization, names: list[str], **order: Any) -> Issued:
    caller = Caller.person(by)
    return services.issue_organization_key(
        organization=organization,
        order=Order("CI deploy", **order),
        scopes=names,
        by=caller.actor,
        created_by=by,
        within=caller.authority_in(organization.pk),
    )


def accepted(issued: Issued) -> Credential:
    outcome = verify(issued.plaintext.reveal(), now=timezone.now())
    assert isinstance(outcome, Credential)
    return outcome


@pytest.mark.parametrize(
    ("name", "status"), [("olivia", 201), ("alice", 201), ("bob", 403), ("carol", 403)]
)
def test_role_decides_who_issues_organization_keys(
    name: str, status: int, olivia: User, request: pytest.FixtureRequest
) -> None:
    answer = send(client_of(request.getfixturevalue(name)), body=OURS)
    assert answer.status_code == status
    if status == 201:
        assert answer.json()["owner"] is None
        entry = TrailEntry.objects.get(action="key.issued")
        assert '"owner":null' in entry.body


def test_staff_cannot_issue_organization_keys(acme: Organization, staff: User) -> None:
    body = {**OURS, "organization_id": acme.public_id}
    assert send(client_of(staff), body=body).status_code == 403


def test_organization_key_survives_its_issuer(acme: Organization, olivia: User) -> None:
    key = issue(olivia, acme, ["read:logs"])
    join(acme, "alice", Role.ADMIN)
    tenants.remove_member(membership=membership_of(olivia), by=SYSTEM)
    tenants.deactivate_user(user=olivia, by=SYSTEM)
    credential = accepted(key)
    assert (credential.owner_id, credential.scopes) == (None, frozenset({"read:logs"}))


def test_whoami_and_gateway_name_no_owner(managing: Issued) -> None:
    client = api(managing)
    assert client.get("/api/v1/whoami").json()["owner"] is None
    assert "X-Keyway-Owner" not in client.get("/api/v1/verify").headers


@pytest.mark.parametrize("scope", ["admin", "write:agent-events"])
def test_scope_beyond_an_admin_cannot_be_granted(
    scope: str, acme: Organization, olivia: User
) -> None:
    with pytest.raises(KeywayError) as refused:
        issue(olivia, acme, [scope])
    assert refused.value.code == "scope_not_grantable"
    key = issue(olivia, acme, ["read:logs"]).key
    within = Caller.person(olivia).authority_in(acme.pk)
    with pytest.raises(KeywayError):
        services.edit(key=key, changes=Changes(scopes=[scope]), within=within, by=SYSTEM)


def test_row_that_grants_admin_grants_nothing(managing: Issued) -> None:
    Key.objects.filter(pk=managing.key.pk).update(scopes=["admin", "read:logs"])
    assert accepted(managing).scopes == {"read:logs"}
    assert "admin" not in scopes.of_organization()


def test_organization_key_issues_organization_keys_only(
    managing: Issued, acme: Organization, globex: Organization
) -> None:
    client = api(managing)
    made = send(client, body={"name": "child", "scopes": ["read:audit-activity"]}).json()
    assert (made["owner"], made["organization_id"]) == (None, acme.public_id)
    assert Key.objects.get(name="child").created_by is None
    for body, status in (
        ({**GOOD, "owner": "me"}, 403),
        ({"name": "agent", "kind": "agent"}, 403),
        ({**OURS, "organization_id": globex.public_id}, 404),
        ({**OURS, "scopes": ["read:logs"]}, 403),
        ({**OURS, "environment": "test"}, 403),
    ):
        assert send(client, body=body).status_code == status, body


def test_organization_key_reaches_organization_keys_only(
    managing: Issued, acme: Organization, alice: User, public_key: Issued, agent_key: Issued
) -> None:
    client = api(managing)
    peer, stronger = issue(alice, acme, ["read:audit-activity"]), issue(alice, acme, ["read:logs"])
    listed = {row["id"] for row in client.get(URL).json()["data"]}
    assert listed == {each.key.public_id for each in (managing, peer, stronger)}
    for each, status in ((public_key, 404), (agent_key, 404), (stronger, 403), (peer, 200)):
        assert client.delete(f"{URL}/{each.key.public_id}").status_code == status


def test_idempotent_request_of_an_organization_key_issues_once(managing: Issued) -> None:
    client = api(managing)
    first, again = (send(client, body=OURS, **{"Idempotency-Key": "deploy-7"}) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert "key" not in again.json()


@pytest.mark.parametrize(
    ("name", "seen", "changed"),
    [("alice", 200, 200), ("carol", 200, 403), ("bob", 403, 403), ("mallory", 404, 404)],
)
def test_role_decides_who_manages_an_organization_key(
    name: str, seen: int, changed: int, managing: Issued, request: pytest.FixtureRequest
) -> None:
    client, path = client_of(request.getfixturevalue(name)), f"{URL}/{managing.key.public_id}"
    assert client.get(path).status_code == seen
    assert client.delete(path, "{}", content_type="application/json").status_code == changed


def test_list_filters_organization_keys(managing: Issued, public_key: Issued, alice: User) -> None:
    answer = client_of(alice).get(URL, {"owner": "organization"}).json()
    assert [row["id"] for row in answer["data"]] == [managing.key.public_id]


def test_agent_key_takes_no_owner(alice: User) -> None:
    answer = send(client_of(alice), body={"name": "a", "kind": "agent", "owner": "organization"})
    assert list(answer.json()["errors"]) == ["owner"]
