"""Administration → Applications: which roles can do what, and what each action changes."""

from typing import Any

import pytest
from django.test import Client

from apikeys.oauth.models import Application, Purpose
from audit.models import TrailEntry
from tenants.models import Organization, User
from tests.apikeys.oauth.conftest import Register
from tests.apikeys.oauth.flow import CALLBACK, Program, outcome
from tests.conftest import client_of
from tests.pages import nonce_of

pytestmark = pytest.mark.django_db
LIST = "/o/acme/applications/"
NEW = f"{LIST}new/"
ACTIONS = ("", "secret/", "disable/", "enable/", "delete/")


def page(application: Application, action: str, slug: str = "acme") -> str:
    return f"/o/{slug}/applications/{application.public_id}/{action}"


def fields(browser: Client, **changes: Any) -> dict[str, Any]:
    return {
        "name": "Ledger",
        "purpose": "web",
        "redirect_uris": CALLBACK,
        "scopes": ["read:audit-activity"],
        "environment": "live",
        "nonce": nonce_of(browser.get(NEW)),
        **changes,
    }


def secret_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    html = answer.content.decode()
    start = html.index('value="ocs_') + len('value="')
    return str(html[start : html.index('"', start)])


def test_admin_registers_and_sees_the_secret_once(alice: User, acme: Organization) -> None:
    browser = client_of(alice)
    data = fields(browser, purpose="service", redirect_uris="")
    secret = secret_of(browser.post(NEW, data))
    program = Program(Application.objects.get(), secret)
    assert outcome(program.own_token().json()["access_token"]) == (200, "")
    again = browser.post(NEW, data)
    assert (again.status_code, Application.objects.count()) == (409, 1)
    for answer in (again, browser.get(LIST), browser.get(page(program.application, ""))):
        assert secret not in answer.content.decode()
    entry = TrailEntry.objects.get(action="application.registered")
    assert (entry.actor_id, entry.target_id) == (alice.public_id, program.application.public_id)
    assert secret[4:] not in entry.body


def test_list_shows_scopes_by_title(alice: User, program: Program) -> None:
    html = client_of(alice).get(LIST).content.decode()
    assert "Read Audit Activity" in html
    assert "read:audit-activity" not in html


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "zero\u200bwidth"},
        {"name": "x" * 256},
        {"purpose": "all"},
        {"scopes": []},
        {"scopes": ["read:findings-of-others"]},
        {"scopes": ["write:agent-events"]},
        {"redirect_uris": ""},
        {"redirect_uris": "http://app.example/"},
        {"redirect_uris": "https://app.example/#f"},
        {"redirect_uris": "https://u@app.example/"},
        {"redirect_uris": "https://*.example/"},
        {"redirect_uris": "https://app.example;script-src/"},
        {"redirect_uris": "https://app.example:99999/"},
        {"redirect_uris": "https://app.example/a/../b"},
        {"redirect_uris": "javascript:alert(1)"},
        {"redirect_uris": "\n".join(f"https://app.example/{n}" for n in range(11))},
        {"purpose": "service"},
        {"environment": "prod"},
        {"nonce": "forged"},
    ],
)
def test_invalid_application_is_refused(alice: User, change: dict[str, Any]) -> None:
    browser = client_of(alice)
    assert browser.post(NEW, fields(browser, **change)).status_code == 422
    assert not Application.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8080/cb",
        "http://127.0.0.1:1/",
        "http://[::1]:9/cb",
        "https://a.example/?x=1",
    ],
)
def test_localhost_redirect_uri_needs_no_tls(alice: User, address: str) -> None:
    browser = client_of(alice)
    assert browser.post(NEW, fields(browser, redirect_uris=address)).status_code == 200


def test_edit_is_trailed(program: Program, alice: User) -> None:
    browser = client_of(alice)
    data = {
        "name": "Books",
        "redirect_uris": f"{CALLBACK}\nhttps://b.example/",
        "scopes": ["read:audit-activity"],
    }
    assert browser.post(page(program.application, ""), data).status_code == 302
    changed = Application.objects.get()
    assert (changed.name, changed.addresses) == ("Books", [CALLBACK, "https://b.example/"])
    assert '"name":"Books"' in TrailEntry.objects.get(action="application.changed").body


def test_rotated_secret_replaces_the_old_at_once(register: Register, alice: User) -> None:
    service, browser = register(Purpose.SERVICE), client_of(alice)
    address = page(service.application, "secret/")
    data = {"nonce": nonce_of(browser.get(address))}
    new = Program(service.application, secret_of(browser.post(address, data)))
    assert service.own_token().status_code == 401
    assert new.own_token().status_code == 200
    assert browser.post(address, data).status_code == 409
    assert new.own_token().status_code == 200


def test_disable_enable_and_delete(register: Register, alice: User) -> None:
    service, browser = register(Purpose.SERVICE), client_of(alice)
    assert browser.post(page(service.application, "disable/")).status_code == 302
    assert service.own_token().status_code == 401
    assert browser.post(page(service.application, "enable/")).status_code == 302
    assert service.own_token().status_code == 200
    assert browser.post(page(service.application, "delete/"), {"name": "ledger"}).status_code == 422
    assert browser.post(page(service.application, "delete/"), {"name": "Ledger"}).status_code == 302
    assert service.own_token().status_code == 401
    actions = (
        TrailEntry.objects.filter(action__startswith="application.")
        .order_by("sequence")
        .values_list("action", flat=True)
    )
    assert list(actions)[1:] == [
        "application.disabled",
        "application.enabled",
        "application.deleted",
    ]


@pytest.mark.parametrize("who", ["bob", "carol", "mallory", "staff"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_only_admins_have_access(
    program: Program, who: str, method: str, request: pytest.FixtureRequest
) -> None:
    user: User = request.getfixturevalue(who)
    browser, before = client_of(user), list(Application.objects.values_list())
    for address in (LIST, NEW, *(page(program.application, action) for action in ACTIONS)):
        assert getattr(browser, method)(address, {"name": "Ledger"}).status_code in {403, 404, 405}
    assert list(Application.objects.values_list()) == before


def test_application_is_404_in_another_organization(program: Program, mallory: User) -> None:
    browser = client_of(mallory)
    for action in ACTIONS:
        assert browser.get(page(program.application, action, "globex")).status_code == 404


@pytest.mark.parametrize("action", ["secret/", "disable/", "delete/", ""])
def test_changes_need_a_recent_sign_in(program: Program, alice: User, action: str) -> None:
    browser = Client()
    browser.force_login(alice)
    answer = browser.post(page(program.application, action), {"name": "Ledger"})
    assert (
        answer.status_code,
        "/accounts/reauthenticate/" in answer.headers.get("Location", ""),
    ) == (302, True)
    assert Application.objects.get().disabled_at is None


def test_django_admin_shows_no_tokens_or_secrets(
    program: Program, bobs_browser: Client, staff: User
) -> None:
    tokens, browser = program.tokens(bobs_browser), client_of(staff)
    stored = Application.objects.get().client_secret
    for model in ("accesstoken", "refreshtoken", "grant", "idtoken"):
        assert browser.get(f"/admin/oauth/{model}/").status_code == 404
    for address in (
        "/admin/",
        "/admin/oauth/application/",
        f"/admin/oauth/application/{program.application.pk}/change/",
    ):
        answer = browser.get(address)
        assert answer.status_code == 200
        for secret in (program.secret, stored, tokens["access_token"], tokens["refresh_token"]):
            assert secret not in answer.content.decode()
