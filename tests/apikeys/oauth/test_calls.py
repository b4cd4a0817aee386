"""Access tokens at the gateway and the management API, bounded by their scopes and their user."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from apikeys.models import Key
from apikeys.oauth import verification
from apikeys.oauth.models import AccessToken, Purpose
from apikeys.services import Issued
from audit.models import TrailEntry
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import Role
from tests.apikeys.oauth.conftest import Register
from tests.apikeys.oauth.flow import Program, outcome, service_of
from tests.conftest import SYSTEM, IssueKey, api, membership_of
from tests.wsgi import call

pytestmark = pytest.mark.django_db
KEYS = "/api/v1/api-keys"
MANAGING = ["manage:api-keys", "read:audit-activity"]
GOOD = {"name": "By a token", "scopes": ["read:audit-activity"], "expires_in_days": None}


def bearer(token: str) -> Any:
    return api(HTTP_AUTHORIZATION=f"Bearer {token}")


def status_and_code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def until_the_token_ends(**changes: Any) -> dict[str, Any]:
    ends: datetime = AccessToken.objects.get().expires
    return {
        "name": "By a token",
        "scopes": ["read:audit-activity"],
        "expires_at": ends.isoformat(),
    } | changes


@pytest.fixture
def managing(register: Register, bobs_browser: Client) -> str:
    """A token that lets an application manage bob's keys."""
    program = register(scopes=MANAGING)
    answer = program.redeem(program.authorize(bobs_browser, scope=" ".join(MANAGING))["code"])
    return str(answer.json()["access_token"])


def test_tokens_read_together_equal_tokens_read_alone(acme: Organization, alice: User) -> None:
    program = service_of(acme, alice, "read:audit-activity")
    for _ in range(3):
        assert program.own_token().status_code == 200
    stored = list(AccessToken.objects.values_list("token_checksum", flat=True))
    rows = verification._read_rows([*stored, "none"])
    assert len(rows) == 3
    assert rows == {one: verification._read_rows([one])[one] for one in stored}


def test_gateway_names_the_application_and_no_key(
    program: Program, bobs_browser: Client, bob: User
) -> None:
    token = program.tokens(bobs_browser)["access_token"]
    answer = call(
        "/api/v1/verify", "scope=read:audit-activity", HTTP_AUTHORIZATION=f"Bearer {token}"
    )
    assert (answer.status, answer.body) == (204, b"")
    assert {
        name: value for name, value in answer.headers.items() if name.startswith("X-Keyway-")
    } == {
        "X-Keyway-Organization": program.application.organization.public_id,
        "X-Keyway-Application": program.application.public_id,
        "X-Keyway-Kind": "public",
        "X-Keyway-Environment": "live",
        "X-Keyway-Scopes": "read:audit-activity",
        "X-Keyway-Owner": bob.public_id,
    }
    refused = call("/api/v1/verify", "scope=read:databases", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert (refused.status, refused.code) == (403, "insufficient_scope")
    assert "X-Keyway-Application" not in refused.headers


def test_gateway_names_no_owner_of_a_service(register: Register) -> None:
    token = register(Purpose.SERVICE).own_token().json()["access_token"]
    headers = call("/api/v1/verify", "", HTTP_AUTHORIZATION=f"Bearer {token}").headers
    assert "X-Keyway-Application" in headers
    assert {"X-Keyway-Owner", "X-Keyway-Key"}.isdisjoint(headers)


def test_token_issues_its_users_key_and_is_the_actor(managing: str, bob: User) -> None:
    answer = bearer(managing).post(KEYS, until_the_token_ends(), format="json")
    assert answer.status_code == 201, answer.content
    assert answer.json()["owner"]["id"] == bob.public_id
    assert outcome_of_key(answer.json()["key"]) == 200
    assert (
        TrailEntry.objects.get(action="key.issued", target_id=answer.json()["id"]).actor_kind
        == "application"
    )


def outcome_of_key(secret: str) -> int:
    return int(api(HTTP_X_API_KEY=secret).get("/api/v1/whoami").status_code)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"scopes": ["read:databases"]}, "scope_not_grantable"),
        ({"environment": "test"}, "stronger_than_issuer"),
        ({"expires_at": None, "expires_in_days": 30}, "stronger_than_issuer"),
        ({"expires_at": None, "expires_in_days": None}, "stronger_than_issuer"),
    ],
)
def test_token_issues_nothing_stronger_than_itself(
    managing: str, change: dict[str, Any], code: str
) -> None:
    wanted = until_the_token_ends()
    assert bearer(managing).post(KEYS, wanted, format="json").status_code == 201
    stronger = wanted | change
    if stronger["expires_at"] is None:
        del stronger["expires_at"]
    assert status_and_code(bearer(managing).post(KEYS, stronger, format="json")) == (403, code)
    assert Key.objects.count() == 1


def test_admins_token_cannot_issue_an_agent_key(register: Register, alice: User) -> None:
    browser, program = Client(), register(scopes=MANAGING)
    browser.force_login(alice)
    token = program.redeem(program.authorize(browser, scope=" ".join(MANAGING))["code"]).json()[
        "access_token"
    ]
    assert bearer(token).post(KEYS, until_the_token_ends(), format="json").status_code == 201
    agent = until_the_token_ends(kind="agent")
    del agent["scopes"]
    assert status_and_code(bearer(token).post(KEYS, agent, format="json"))[0] == 403


def test_token_cannot_change_others_or_longer_keys(
    managing: str, public_key: Issued, issue_public_key: IssueKey, alice: User
) -> None:
    alices = issue_public_key(owner=alice, name="Alice's key")
    client = bearer(managing)
    assert client.get(KEYS).json()["total"] == 1
    for key, code in ((public_key.key, "stronger_than_issuer"), (alices.key, "not_key_owner")):
        path = f"{KEYS}/{key.public_id}"
        assert status_and_code(client.post(f"{path}/rotate", {}, format="json")) == (403, code)
        assert status_and_code(client.patch(path, {"name": "Changed"}, format="json")) == (
            403,
            code,
        )
    assert Key.objects.filter(revoked_at=None, name="Changed").count() == 0


def test_token_needs_the_scope_and_the_role(
    program: Program, managing: str, bobs_browser: Client, bob: User
) -> None:
    assert status_and_code(bearer(program.tokens(bobs_browser)["access_token"]).get(KEYS)) == (
        403,
        "insufficient_scope",
    )
    assert bearer(managing).get(KEYS).status_code == 200
    tenants.change_role(membership=membership_of(bob), role=Role.AUDITOR, by=SYSTEM)
    assert status_and_code(bearer(managing).get(KEYS)) == (403, "insufficient_scope")


@pytest.mark.parametrize("method", ["get", "post"])
def test_service_token_cannot_manage_keys(
    register: Register, public_key: Issued, acme: Organization, method: str
) -> None:
    service = register(Purpose.SERVICE, scopes=MANAGING)
    token = service.own_token(scope=" ".join(MANAGING)).json()["access_token"]
    assert outcome(token) == (200, "")
    client = bearer(token)
    body = GOOD | {"organization_id": acme.public_id}
    answers = [client.get(KEYS) if method == "get" else client.post(KEYS, body, format="json")]
    path = f"{KEYS}/{public_key.key.public_id}"
    answers += [
        client.get(path),
        client.delete(path),
        client.post(f"{path}/rotate", {}, format="json"),
        client.get(f"{path}/usage"),
    ]
    assert [status_and_code(answer) for answer in answers] == [(403, "forbidden")] * 5
    assert Key.objects.get().revoked_at is None
