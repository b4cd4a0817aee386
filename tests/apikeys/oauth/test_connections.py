"""Profile → Connected applications: a user's own connections, until they are withdrawn."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.oauth import connections, services
from apikeys.oauth.models import AccessToken, Application, Purpose, RefreshToken
from audit.models import TrailEntry
from tenants.models import Organization, User
from tests.apikeys.oauth.conftest import Register
from tests.apikeys.oauth.flow import Program, outcome
from tests.conftest import SYSTEM, client_of

pytestmark = pytest.mark.django_db


def names(user: User) -> list[str]:
    return [str(one.application) for one in connections.of_person(user, at=timezone.now())]


def address(application: Application) -> str:
    return f"/profile/applications/{application.public_id}/withdraw/"


@pytest.fixture
def mallorys(register: Register, globex: Organization, mallory: User) -> Program:
    return register(organization=globex, by=mallory, name="Globex importer")


def test_profile_lists_only_own_connections(
    program: Program, mallorys: Program, bob: User, alice: User, mallory: User
) -> None:
    assert b"No connected applications" in client_of(bob).get("/profile/").content
    program.tokens(client_of(bob))
    mallorys.tokens(client_of(mallory))
    page = client_of(bob).get("/profile/").content.decode()
    for words in ("Ledger", "Acme, live data", "Read Audit Activity", "Revoke"):
        assert words in page
    assert "Globex importer" not in page
    assert "Globex importer" in client_of(mallory).get("/profile/").content.decode()
    assert (names(bob), names(mallory), names(alice)) == (["Ledger"], ["Globex importer"], [])


def test_connection_has_consent_time_and_current_scopes(register: Register, bob: User) -> None:
    program, began = register(scopes=["read:audit-activity", "read:databases"]), timezone.now()
    code = program.authorize(client_of(bob), scope="read:audit-activity read:databases")["code"]
    assert program.redeem(code).status_code == 200
    (one,) = connections.of_person(bob, at=timezone.now())
    assert one.allowed_at
    assert began <= one.allowed_at <= one.renewed_at <= timezone.now()
    assert [scope.title for scope in one.scopes] == ["Read Audit Activity", "Read Databases"]
    Application.objects.update(scopes=["read:databases"])
    (one,) = connections.of_person(bob, at=timezone.now())
    assert [scope.title for scope in one.scopes] == ["Read Databases"]


def test_withdraw_ends_only_the_users_tokens(program: Program, bob: User, alice: User) -> None:
    granted, bystander = program.tokens(client_of(bob)), program.tokens(client_of(alice))
    browser = client_of(bob)
    assert "Revoke the access of" in browser.get(address(program.application)).content.decode()
    assert outcome(granted["access_token"]) == (200, "")
    assert browser.post(address(program.application)).status_code == 302
    assert outcome(granted["access_token"]) == (401, "invalid_token")
    assert program.refresh(granted["refresh_token"]).status_code == 400
    assert outcome(bystander["access_token"]) == (200, "")
    assert (names(bob), names(alice)) == ([], ["Ledger"])
    entry = TrailEntry.objects.get(action="application.tokens_ended")
    assert (entry.actor_id, entry.target_id) == (bob.public_id, program.application.public_id)
    assert browser.post(address(program.application)).status_code == 404


def test_other_users_connection_is_404(
    program: Program, mallorys: Program, bob: User, mallory: User
) -> None:
    bobs, hers = program.tokens(client_of(bob)), mallorys.tokens(client_of(mallory))
    for user, application in ((bob, mallorys.application), (mallory, program.application)):
        for answer in (
            client_of(user).get(address(application)),
            client_of(user).post(address(application)),
        ):
            assert answer.status_code == 404
    assert [outcome(granted["access_token"]) for granted in (bobs, hers)] == [(200, ""), (200, "")]


def test_withdraw_needs_a_recent_sign_in(program: Program, bob: User, bobs_browser: Client) -> None:
    token = program.tokens(client_of(bob))["access_token"]
    answer = bobs_browser.post(address(program.application))
    assert (answer.status_code, "/accounts/reauthenticate/" in answer.headers["Location"]) == (
        302,
        True,
    )
    assert outcome(token) == (200, "")


def test_connection_is_listed_once_until_it_expires(program: Program, bob: User) -> None:
    browser = client_of(bob)
    program.refresh(program.tokens(browser)["refresh_token"])
    program.tokens(browser)
    assert names(bob) == ["Ledger"]
    services.disable(application=program.application, by=SYSTEM)
    assert b"Disabled by an admin" in browser.get("/profile/").content
    soon = timezone.now() + timedelta(minutes=5)
    AccessToken.objects.update(expires=timezone.now())
    assert [str(one.application) for one in connections.of_person(bob, at=soon)] == ["Ledger"]
    RefreshToken.objects.update(expires_at=timezone.now())
    assert connections.of_person(bob, at=soon) == []


def test_service_token_is_no_connection(register: Register, alice: User, bob: User) -> None:
    assert register(Purpose.SERVICE).own_token().status_code == 200
    assert names(alice) == names(bob) == []
