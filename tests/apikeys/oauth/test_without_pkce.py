"""Authorization without PKCE, for web applications that an admin registered so."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from apikeys.oauth import services
from apikeys.oauth.errors import PkceRequired
from apikeys.oauth.models import Application, Grant, Purpose
from audit.models import TrailEntry
from tenants.models import User
from tests.apikeys.oauth.conftest import Register
from tests.apikeys.oauth.flow import CALLBACK, VERIFIER, Program, outcome
from tests.conftest import SYSTEM, client_of

pytestmark = pytest.mark.django_db
BARE: dict[str, Any] = {"code_challenge": None, "code_challenge_method": None}


@pytest.fixture
def old(register: Register) -> Program:
    """An application that is registered without PKCE."""
    return register(without_pkce=True)


def edit(program: Program, *, without_pkce: bool) -> None:
    application = Application.objects.get(pk=program.application.pk)
    services.edit(
        application=application,
        name=application.name,
        scopes=application.scopes,
        redirect_uris=application.addresses,
        by=SYSTEM,
        without_pkce=without_pkce,
    )


def error(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_application_registered_so_authorizes_without_pkce(
    old: Program, program: Program, bobs_browser: Client
) -> None:
    assert program.authorize(bobs_browser, **BARE)["error"] == "invalid_request"
    code = old.authorize(bobs_browser, **BARE)["code"]
    got = old.redeem(code, code_verifier="")
    assert got.status_code == 200, got.content
    assert outcome(got.json()["access_token"]) == (200, "")
    assert error(old.redeem(code, code_verifier="")) == (400, "invalid_grant")


def test_code_without_pkce_needs_the_client_secret(old: Program, bobs_browser: Client) -> None:
    code = old.authorize(bobs_browser, **BARE)["code"]
    for secret in ("", "ocs_" + "0" * 49):
        refused = Program(old.application, secret).redeem(code, code_verifier="")
        assert error(refused) == (401, "invalid_client")
    assert old.redeem(code, code_verifier="").status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": "short"},
        {"code_challenge": VERIFIER + "="},
    ],
)
def test_challenge_that_is_sent_must_be_valid(
    old: Program, bobs_browser: Client, change: dict[str, Any]
) -> None:
    assert "code" in old.authorize(bobs_browser)
    assert old.authorize(bobs_browser, **change)["error"] == "invalid_request"


def test_challenge_that_is_sent_is_checked(old: Program, bobs_browser: Client) -> None:
    code = old.authorize(bobs_browser)["code"]
    for verifier in ("", "w" * 43):
        assert old.redeem(code, code_verifier=verifier).status_code == 400
    assert old.redeem(code).status_code == 200


def test_removed_challenge_is_noticed(old: Program, bobs_browser: Client) -> None:
    """The downgrade of RFC 9700, 4.8.2: the application sent a challenge that never arrived."""
    code = old.authorize(bobs_browser, **BARE)["code"]
    assert error(old.redeem(code)) == (400, "invalid_grant")
    assert Grant.objects.get().used_at is None


def test_requiring_pkce_again_refuses_open_codes(old: Program, bobs_browser: Client) -> None:
    first, second = (old.authorize(bobs_browser, **BARE)["code"] for _ in range(2))
    assert old.redeem(first, code_verifier="").status_code == 200
    edit(old, without_pkce=False)
    assert old.redeem(second, code_verifier="").status_code == 400
    assert old.authorize(bobs_browser, **BARE)["error"] == "invalid_request"


@pytest.mark.parametrize("purpose", [Purpose.NATIVE, Purpose.SERVICE])
def test_only_web_applications_waive_pkce(register: Register, purpose: Purpose) -> None:
    assert not register(without_pkce=True).application.requires_pkce
    with pytest.raises(PkceRequired):
        register(purpose, without_pkce=True)
    other = register(purpose)
    with pytest.raises(PkceRequired):
        edit(other, without_pkce=True)
    rows = Application.objects.filter(pk=other.application.pk)
    with (
        pytest.raises(IntegrityError, match="only_web_applications_waive_pkce"),
        transaction.atomic(),
    ):
        rows.update(pkce_waived_at=other.application.created)


def test_waiving_and_requiring_pkce_are_recorded(register: Register) -> None:
    program = register()
    assert '"requires_pkce":true' in TrailEntry.objects.get(action="application.registered").body
    for waived in (True, True, False):
        edit(program, without_pkce=waived)
    changed = TrailEntry.objects.filter(action="application.changed").order_by("sequence")
    assert ['"requires_pkce":false' in entry.body for entry in changed] == [True, False]


def test_form_says_why_and_refuses_public_clients(alice: User) -> None:
    browser = client_of(alice)
    address = "/o/acme/applications/new/"
    page = browser.get(address)
    assert "Allow authorization without PKCE" in page.content.decode()
    assert "injected" in page.content.decode()
    fields = {
        "nonce": page.context["form"].fresh_nonce,
        "name": "Books",
        "redirect_uris": CALLBACK,
        "scopes": "read:audit-activity",
        "environment": "live",
        "without_pkce": "on",
    }
    refused = browser.post(address, fields | {"purpose": "native"})
    assert refused.status_code == 422
    assert PkceRequired.detail in refused.content.decode()
    assert browser.post(address, fields | {"purpose": "web"}).status_code == 200
    application = Application.objects.get()
    assert not application.requires_pkce
    edited = browser.post(
        f"/o/acme/applications/{application.public_id}/",
        {"name": "Books", "redirect_uris": CALLBACK, "scopes": "read:audit-activity"},
    )
    assert edited.status_code == 302
    application.refresh_from_db()
    assert application.requires_pkce
