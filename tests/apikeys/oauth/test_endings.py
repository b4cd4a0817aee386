"""A token stops working when its user, application or organization ends."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.oauth import services, tokens
from apikeys.oauth.models import AccessToken, Application, Grant, Purpose, RefreshToken
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import Role
from tests.apikeys.oauth.conftest import Register
from tests.apikeys.oauth.flow import Program, call, outcome
from tests.conftest import SYSTEM, api, membership_of

pytestmark = pytest.mark.django_db

End = Callable[[Program, User], object]
ENDINGS: dict[str, tuple[End, str]] = {
    "removed": (
        lambda _, bob: tenants.remove_member(membership=membership_of(bob), by=SYSTEM),
        "owner_inactive",
    ),
    "deactivated": (
        lambda _, bob: tenants.deactivate_member(membership=membership_of(bob), by=SYSTEM),
        "owner_inactive",
    ),
    "user deactivated": (
        lambda _, bob: tenants.deactivate_user(user=bob, by=SYSTEM),
        "owner_inactive",
    ),
    "suspended": (
        lambda program, _: tenants.suspend_organization(
            organization=program.application.organization, by=SYSTEM
        ),
        "organization_suspended",
    ),
    "disabled": (
        lambda program, _: services.disable(application=program.application, by=SYSTEM),
        "invalid_token",
    ),
    "deleted": (
        lambda program, _: services.delete(application=program.application, by=SYSTEM),
        "invalid_token",
    ),
    "withdrawn": (
        lambda program, bob: tokens.withdraw(
            application=program.application, membership=membership_of(bob), by=SYSTEM
        ),
        "invalid_token",
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_tokens_and_codes_end_when(
    program: Program, bobs_browser: Client, bob: User, ending: str
) -> None:
    end, reason = ENDINGS[ending]
    granted, code = program.tokens(bobs_browser), program.authorize(bobs_browser)["code"]
    assert outcome(granted["access_token"]) == (200, "")
    end(program, bob)
    assert outcome(granted["access_token"]) == (401, reason)
    assert program.refresh(granted["refresh_token"]).status_code in {400, 401}
    assert program.redeem(code).status_code in {400, 401}
    challenge = call(granted["access_token"]).headers["WWW-Authenticate"]
    assert challenge == 'Bearer realm="Keyway", error="invalid_token"'


@pytest.mark.parametrize("ending", ["suspended", "disabled", "deleted"])
def test_service_token_ends_when(register: Register, bob: User, ending: str) -> None:
    service = register(Purpose.SERVICE)
    token = service.own_token().json()["access_token"]
    assert outcome(token) == (200, "")
    end, reason = ENDINGS[ending]
    end(service, bob)
    assert outcome(token) == (401, reason)
    assert service.own_token().status_code == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ending", ["deactivated", "disabled"])
def test_leased_token_ends_when_the_change_returns(
    program: Program, bob: User, ending: str, settings: Any
) -> None:
    usual, settings.KEYWAY_LEASE_MS = settings.KEYWAY_LEASE_MS, 60_000
    browser = Client()
    browser.force_login(bob)
    token = program.tokens(browser)["access_token"]
    with CaptureQueriesContext(connection) as cold:
        assert outcome(token) == (200, "")
    with CaptureQueriesContext(connection) as warm:
        assert outcome(token) == (200, "")
    assert (len(cold), len(warm)) == (1, 0)
    settings.KEYWAY_LEASE_MS = usual
    end, reason = ENDINGS[ending]
    end(program, bob)
    assert outcome(token) == (401, reason)


@pytest.mark.django_db(transaction=True)
def test_leased_token_ends_when_its_refresh_returns(
    program: Program, bob: User, settings: Any
) -> None:
    settings.KEYWAY_LEASE_MS = 1000  # longer than a refresh takes
    browser = Client()
    browser.force_login(bob)
    first = program.tokens(browser)
    assert outcome(first["access_token"]) == (200, "")
    assert program.refresh(first["refresh_token"]).status_code == 200
    assert outcome(first["access_token"]) == (401, "invalid_token")


def test_readded_member_must_consent_again(
    program: Program, bobs_browser: Client, bob: User, acme: Organization
) -> None:
    granted = program.tokens(bobs_browser)
    tenants.remove_member(membership=membership_of(bob), by=SYSTEM)
    tenants.add_member(organization=acme, user=bob, role=Role.MEMBER, by=SYSTEM)
    assert outcome(granted["access_token"]) == (401, "owner_inactive")
    assert program.refresh(granted["refresh_token"]).status_code == 400


def test_access_token_expires_by_the_clock(program: Program, bobs_browser: Client) -> None:
    granted = program.tokens(bobs_browser)
    assert outcome(granted["access_token"]) == (200, "")
    AccessToken.objects.update(expires=timezone.now())
    assert outcome(granted["access_token"]) == (401, "expired_token")
    assert program.refresh(granted["refresh_token"]).status_code == 200


def test_removed_scope_is_removed_from_tokens(register: Register) -> None:
    service = register(Purpose.SERVICE)
    token = service.own_token().json()["access_token"]
    assert call(token, "/api/v1/public/audit-activity").status_code == 200
    Application.objects.update(scopes=["read:nothing-more"])
    answer = call(token, "/api/v1/public/audit-activity")
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Keyway", error="insufficient_scope"'


def test_token_is_refused_elsewhere_and_by_agents(register: Register) -> None:
    token = register(Purpose.SERVICE).own_token().json()["access_token"]
    elsewhere = api(HTTP_AUTHORIZATION=f"Bearer {token}", HTTP_X_ORGANIZATION_ID="globex").get(
        "/api/v1/whoami"
    )
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "wrong_organization")
    agent = api(HTTP_AUTHORIZATION=f"Bearer {token}").get("/api/v1/agent/config")
    assert (agent.status_code, agent.json()["code"]) == (403, "wrong_key_type")


def test_token_beside_a_key_is_refused(register: Register) -> None:
    token = register(Purpose.SERVICE).own_token().json()["access_token"]
    answer = api(HTTP_AUTHORIZATION=f"Bearer {token}", HTTP_X_API_KEY="x").get("/api/v1/whoami")
    assert (answer.status_code, answer.json()["code"]) == (400, "several_credentials")


def test_token_has_application_and_organization_limits(
    register: Register,
) -> None:
    token = register(Purpose.SERVICE).own_token().json()["access_token"]
    assert [limit["limit"] for limit in call(token).json()["limits"]] == [
        "application",
        "organization",
    ]


def test_prune_keeps_what_can_reveal_theft(program: Program, bobs_browser: Client) -> None:
    first = program.tokens(bobs_browser)
    second = program.refresh(first["refresh_token"]).json()
    program.authorize(bobs_browser)
    Grant.objects.update(expires=timezone.now())
    assert tokens.prune() == 1  # the code that was never redeemed
    assert outcome(second["access_token"]) == (200, "")
    RefreshToken.objects.update(expires_at=timezone.now())
    AccessToken.objects.update(expires=timezone.now())
    tokens.prune()
    assert not RefreshToken.objects.exists()
    assert not AccessToken.objects.exists()
    assert Grant.objects.count() == 1
