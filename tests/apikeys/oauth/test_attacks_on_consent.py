"""The attacks of RFC 9700 on the authorization endpoint.

Each attempt stands beside the same request that works, so that it can fail for one reason only.
"""

import pytest
from django.test import Client

from apikeys.oauth.models import Grant, Purpose
from tenants.models import User
from tests.apikeys.oauth.conftest import Register
from tests.apikeys.oauth.flow import CALLBACK, VERIFIER, Program
from tests.conftest import client_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "change",
    [
        {"code_challenge": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": VERIFIER + "="},
        {"code_challenge": "short"},
    ],
)
@pytest.mark.parametrize("purpose", [Purpose.WEB, Purpose.NATIVE])
def test_pkce_cannot_be_omitted_or_weakened(
    register: Register, bobs_browser: Client, purpose: Purpose, change: dict[str, str | None]
) -> None:
    program = register(purpose)
    assert "code" in program.authorize(bobs_browser)
    answer = program.authorize(bobs_browser, "allow", **change)
    assert (answer["error"], answer["iss"]) == ("invalid_request", "http://testserver")


@pytest.mark.parametrize("response_type", ["token", "id_token", "code token", "none", "", None])
def test_implicit_flow_is_refused(
    program: Program, bobs_browser: Client, response_type: str | None
) -> None:
    answer = program.authorize(bobs_browser, response_type=response_type)
    assert answer["error"] in {
        "unsupported_response_type",
        "invalid_request",
        "unauthorized_client",
    }
    assert "access_token" not in answer


@pytest.mark.parametrize(
    "redirect_uri",
    [
        CALLBACK + "?extra=1",
        CALLBACK + "?",
        CALLBACK + "#",
        CALLBACK + ";evil=1",
        CALLBACK + "/",
        CALLBACK + "/../callback",
        CALLBACK + " ",
        "https://app.example:443/callback",
        "https://app.example/Callback",
        "https://APP.example/callback",
        "http://app.example/callback",
        "https://user@app.example/callback",
        "https://evil@app.example/callback",
        "https://app.example@evil.example/callback",
        "https://sub.app.example/callback",
        "https://app.example.evil.example/callback",
        "https://evil.example/callback",
        "javascript:alert(1)",
        "//app.example/callback",
    ],
)
def test_redirect_uri_must_match_exactly(
    program: Program, bobs_browser: Client, redirect_uri: str
) -> None:
    for send in (bobs_browser.get, bobs_browser.post):
        answer = send(program.question(redirect_uri=redirect_uri))
        assert (answer.status_code, answer.headers.get("Location")) == (400, None)
    assert bobs_browser.get(program.question()).status_code == 200


def test_outsider_cannot_detect_an_application(program: Program, mallory: User) -> None:
    browser = client_of(mallory)
    known, unknown = (
        browser.get(program.question()),
        browser.get(program.question(client_id="app_" + "0" * 26)),
    )
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert known.status_code == 400
    assert browser.post(program.question(), {"decision": "allow"}).status_code == 400
    assert not Grant.objects.exists()


def test_auditor_cannot_authorize(program: Program, carol: User) -> None:
    browser = client_of(carol)
    assert browser.get(program.question()).status_code == 403
    assert browser.post(program.question(), {"decision": "allow"}).status_code == 403
    assert not Grant.objects.exists()


def test_staff_without_membership_cannot_authorize(program: Program, staff: User) -> None:
    assert client_of(staff).post(program.question(), {"decision": "allow"}).status_code == 400


def test_consent_needs_a_csrf_token(program: Program, bob: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(bob)
    assert browser.post(program.question(), {"decision": "allow"}).status_code == 403
    assert not Grant.objects.exists()


@pytest.mark.parametrize(
    "name", ["client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge"]
)
@pytest.mark.parametrize("value", ["\0", "a" * 5000, "ä", "\ud800", "%"])
def test_malformed_request_is_never_a_server_error(
    program: Program, bobs_browser: Client, name: str, value: str
) -> None:
    address = program.question(**{name: value.encode("utf-8", "surrogatepass").decode("latin-1")})
    assert bobs_browser.get(address).status_code in {200, 303, 400}
