"""The supported flows, step by step."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.oauth.models import AccessToken, Grant, Purpose, RefreshToken
from audit.models import TrailEntry
from tenants.models import Organization, User
from tests.apikeys.oauth.conftest import Register
from tests.apikeys.oauth.flow import Program, call, outcome
from tests.conftest import client_of

pytestmark = pytest.mark.django_db


def test_consent_page_names_what_is_granted(program: Program, bobs_browser: Client) -> None:
    page = bobs_browser.get(program.question())
    body = page.content.decode()
    assert page.status_code == 200
    for words in (
        "Ledger",
        "Acme",
        "bob@acme.example",
        "Read Audit Activity",
        "https://app.example",
    ):
        assert words in body
    assert "form-action 'self' https://app.example;" in page.headers["Content-Security-Policy"]
    assert "no-store" in page.headers["Cache-Control"]


def test_allowed_application_gets_working_tokens(
    program: Program, bobs_browser: Client, acme: Organization
) -> None:
    answer = program.authorize(bobs_browser)
    assert (answer["state"], answer["iss"]) == ("s-1", "http://testserver")
    tokens = program.redeem(answer["code"])
    assert tokens.status_code == 200
    assert tokens.headers["Cache-Control"] == "no-store"
    body = tokens.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == (
        "Bearer",
        3600,
        "read:audit-activity",
    )
    whoami = call(body["access_token"]).json()
    assert (whoami["key_id"], whoami["application_id"], whoami["kind"]) == (
        None,
        program.application.client_id,
        "public",
    )
    assert whoami["organization"]["id"] == acme.public_id
    assert whoami["owner"]["email"] == "bob@acme.example"
    assert call(body["access_token"], "/api/v1/public/audit-activity").status_code == 200


def test_sign_in_returns_to_the_request(program: Program, bob: User) -> None:
    browser = Client()
    response = browser.get(program.question())
    assert response.status_code == 302
    assert parse_qs(urlsplit(response.headers["Location"]).query)["next"] == [program.question()]


def test_denial_is_returned_to_the_application(program: Program, bobs_browser: Client) -> None:
    answer = program.authorize(bobs_browser, decision="deny")
    assert (answer["error"], answer["state"], answer["iss"]) == (
        "access_denied",
        "s-1",
        "http://testserver",
    )
    assert not Grant.objects.exists()


def test_native_application_needs_no_secret(register: Register, bobs_browser: Client) -> None:
    native = register(Purpose.NATIVE)
    assert native.secret == ""
    assert outcome(native.tokens(bobs_browser)["access_token"]) == (200, "")


def test_refresh_replaces_both_tokens(program: Program, bobs_browser: Client) -> None:
    first = program.tokens(bobs_browser)
    second = program.refresh(first["refresh_token"])
    assert second.status_code == 200
    assert second.json()["access_token"] != first["access_token"]
    assert outcome(second.json()["access_token"]) == (200, "")
    assert outcome(first["access_token"]) == (401, "invalid_token")
    assert program.refresh(second.json()["refresh_token"]).status_code == 200


def test_service_token_has_no_refresh_token(register: Register, acme: Organization) -> None:
    service = register(Purpose.SERVICE)
    body = service.own_token().json()
    assert "refresh_token" not in body
    whoami = call(body["access_token"]).json()
    assert (whoami["organization"]["id"], whoami["owner"]) == (acme.public_id, None)
    assert whoami["scopes"] == ["read:audit-activity"]


def test_test_application_gets_test_tokens(register: Register) -> None:
    service = register(Purpose.SERVICE, environment="test")
    assert call(service.own_token().json()["access_token"]).json()["environment"] == "test"


def test_no_plaintext_is_stored(program: Program, bobs_browser: Client) -> None:
    code = program.authorize(bobs_browser)["code"]
    tokens = program.redeem(code).json()
    rows = [
        *Grant.objects.values_list(),
        *AccessToken.objects.values_list(),
        *RefreshToken.objects.values_list(),
    ]
    stored = repr([*rows, *type(program.application).objects.values_list()])
    for secret in (code, tokens["access_token"], tokens["refresh_token"], program.secret):
        assert secret[4:] not in stored


def test_consent_is_trailed_with_its_scopes(
    program: Program, bobs_browser: Client, bob: User
) -> None:
    program.authorize(bobs_browser)
    entry = TrailEntry.objects.get(action="application.authorized")
    assert (entry.actor_id, entry.target_id) == (bob.public_id, program.application.public_id)
    assert '"scopes":["read:audit-activity"]' in entry.body


def test_metadata_lists_what_is_supported(client: Client, db: None) -> None:
    body = client.get("/.well-known/oauth-authorization-server").json()
    assert body["issuer"] == "http://testserver"
    assert body["token_endpoint"] == "http://testserver/oauth/token"
    assert body["code_challenge_methods_supported"] == ["S256"]
    assert body["response_types_supported"] == ["code"]
    assert body["grant_types_supported"] == [
        "authorization_code",
        "client_credentials",
        "refresh_token",
    ]
    assert body["authorization_response_iss_parameter_supported"] is True


def test_code_expires_after_a_minute(program: Program, bobs_browser: Client) -> None:
    before = timezone.now()
    program.authorize(bobs_browser)
    minute = timedelta(seconds=60)
    assert before + minute <= Grant.objects.get().expires <= timezone.now() + minute


def test_token_is_for_the_applications_organization(
    program: Program, bob: User, globex: Organization
) -> None:
    from tenants import services  # noqa: PLC0415
    from tenants.roles import Role  # noqa: PLC0415
    from tests.conftest import SYSTEM  # noqa: PLC0415

    services.add_member(organization=globex, user=bob, role=Role.ADMIN, by=SYSTEM)
    tokens = program.tokens(client_of(bob))
    assert call(tokens["access_token"]).json()["organization"]["slug"] == "acme"
