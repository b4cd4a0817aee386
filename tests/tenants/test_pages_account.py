"""Sign-in, second factor and sessions: allauth's pages in Keyway's design."""

import re
import time

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client

from audit.models import TrailEntry
from audit.trail.actions import Action
from tenants.models import User
from tests.conftest import PASSWORD, client_of

SIGNED_OUT = (
    "login",
    "signup",
    "password/reset",
    "password/reset/done",
    "password/reset/key/done",
    "password/reset/key/1-abc",
    "inactive",
    "confirm-email",
    "confirm-email/abc",
)
SIGNED_IN = ("logout", "reauthenticate", "password/change", "2fa", "sessions")


@pytest.fixture(autouse=True)
def _clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the half minute of a code could end between making it and sending it."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)


def drawn(client: Client, path: str) -> str:
    response = client.get(f"/accounts/{path}/")
    html = response.content.decode()
    assert response.status_code == 200, path
    assert html.count("<h1") == html.count("<main") == 1, path
    assert 'class="wordmark"' in html, path
    return html


@pytest.mark.django_db
@pytest.mark.parametrize("path", SIGNED_OUT)
def test_public_account_page_uses_our_layout(path: str) -> None:
    drawn(Client(), path)


def test_account_pages_use_our_layout(bob: User) -> None:
    client = client_of(bob)
    for path in SIGNED_IN:
        drawn(client, path)


@pytest.mark.django_db
def test_sign_up_is_closed() -> None:
    before = User.objects.count()
    response = Client().post(
        "/accounts/signup/",
        {"email": "eve@example.com", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert "Keyway is invite-only" in response.content.decode()
    assert User.objects.count() == before


def test_email_address_cannot_be_changed(bob: User) -> None:
    client = client_of(bob)
    for response in (
        client.get("/accounts/email/"),
        client.post("/accounts/email/", {"action_add": "", "email": "eve@example.com"}),
    ):
        assert response.headers["Location"] == "/profile/"
    assert not EmailAddress.objects.filter(user=bob, email="eve@example.com").exists()
    assert User.objects.get(pk=bob.pk).email == "bob@acme.example"


def code(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def set_up(client: Client) -> list[str]:
    """Set up a second factor and return the recovery codes."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    html = drawn(client, "2fa/totp/activate")
    assert "<svg" in html.split('class="qr"')[1][:200]
    assert "data:image" not in html
    secret = re.search(r'id="totp-secret" readonly value="([A-Z2-7]+)"', html)
    assert secret
    assert (
        "Wrong code" in client.post("/accounts/2fa/totp/activate/", {"code": "x"}).content.decode()
    )
    response = client.post("/accounts/2fa/totp/activate/", {"code": code(secret[1])})
    assert response.headers["Location"] == "/accounts/2fa/recovery-codes/"
    return re.findall(r"<li>(\d{8})</li>", drawn(client, "2fa/recovery-codes"))


def test_second_factor_set_up_use_and_removal(bob: User, carol: User) -> None:
    recovery = set_up(client_of(bob))
    assert len(recovery) == 10
    again = Client()
    response = again.post("/accounts/login/", {"login": bob.email, "password": PASSWORD})
    assert response.headers["Location"] == "/accounts/2fa/authenticate/"
    assert again.get("/o/acme/").status_code == 302
    drawn(again, "2fa/authenticate")
    assert (
        "Wrong code"
        in again.post("/accounts/2fa/authenticate/", {"code": "00000000"}).content.decode()
    )
    assert again.post("/accounts/2fa/authenticate/", {"code": recovery[0]}).status_code == 302
    assert again.get("/o/acme/").status_code == 200
    again.post("/accounts/reauthenticate/", {"password": PASSWORD})
    for path in ("2fa/reauthenticate", "2fa/totp/deactivate", "2fa/recovery-codes/generate"):
        drawn(again, path)
    again.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.filter(user=bob).exists()
    assert client_of(carol).get("/o/acme/").status_code == 200


def test_staff_reset_of_second_factor_is_trailed_once(bob: User, carol: User, staff: User) -> None:
    set_up(client_of(bob))
    set_up(client_of(carol))
    desk = client_of(staff)
    for _ in range(2):
        desk.post(
            "/admin/tenants/user/", {"action": "reset_second_factor", "_selected_action": bob.pk}
        )
    assert client_of(bob).get("/o/acme/").status_code == 200
    assert client_of(carol).get("/o/acme/").headers["Location"].startswith("/accounts/login/")
    entry = TrailEntry.objects.get(action=Action.USER_SECOND_FACTOR_RESET)
    assert (entry.actor_name, entry.target_name) == (staff.email, bob.email)


def test_other_sessions_can_be_signed_out(bob: User, carol: User) -> None:
    here, there, bystander = client_of(bob), client_of(bob), client_of(carol)
    assert "Sign out all other sessions" in drawn(here, "sessions")
    assert there.get("/o/acme/").status_code == 200
    here.post("/accounts/sessions/")
    assert there.get("/o/acme/").status_code == 302
    assert here.get("/o/acme/").status_code == bystander.get("/o/acme/").status_code == 200
