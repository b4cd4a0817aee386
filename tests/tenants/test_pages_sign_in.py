"""Sensitive changes need a sign-in within five minutes, and keep the form's input."""

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from apikeys.models import Key
from apikeys.services import Issued
from tenants.models import Membership, User
from tests.conftest import PASSWORD, client_of, membership_of
from tests.pages import grow_old, nonce_of

pytestmark = pytest.mark.django_db
WINDOW = 300
NEW = "/profile/api-keys/new/"


@pytest.fixture
def addresses(bob: User, agent_key: Issued, public_key_of_alice: Issued) -> list[str]:
    """Return every page that grants or revokes access."""
    mine, agents = (
        f"/keys/{public_key_of_alice.key.public_id}",
        "/o/acme/agents/api-keys",
    )
    member = f"/o/acme/members/{membership_of(bob).public_id}"
    return [
        NEW,
        *(f"{mine}/{action}/" for action in ("edit", "revoke", "pause", "resume")),
        f"{agents}/new/",
        f"{agents}/{agent_key.key.public_id}/delete/",
        *(
            f"/keys/{agent_key.key.public_id}/{action}/"
            for action in ("edit", "pause", "resume", "revoke")
        ),
        "/o/acme/members/add/",
        *(f"{member}/{action}/" for action in ("role", "deactivate", "reactivate", "remove")),
    ]


@pytest.fixture
def public_key_of_alice(alice: User, issue_public_key: Any) -> Issued:
    issued: Issued = issue_public_key(owner=alice)
    return issued


def sign_in_again(client: Client, response: Any) -> Any:
    """Follow the redirect, enter the password, and follow the next redirect."""
    return client.post(response["Location"], {"password": PASSWORD}, follow=True)


def test_every_change_requires_a_recent_sign_in(alice: User, addresses: list[str]) -> None:
    client = client_of(alice)
    for address in addresses:
        assert client.get(address).status_code == 200, address
    grow_old(client, WINDOW)
    keys, members = list(Key.objects.values()), list(Membership.objects.values())
    for address in addresses:
        for send in (client.get, client.post):
            response = send(address)
            assert response.status_code == 302, address
            assert response["Location"].startswith("/accounts/reauthenticate/?next=%2F"), address
    assert list(Key.objects.values()) == keys
    assert list(Membership.objects.values()) == members


def test_sign_in_counts_until_its_last_second(alice: User) -> None:
    client = client_of(alice)
    grow_old(client, WINDOW - 5)
    assert client.get(NEW).status_code == 200
    grow_old(client, 6)
    assert client.get(NEW).status_code == 302


def test_reading_requires_no_recent_sign_in(alice: User) -> None:
    client = client_of(alice)
    grow_old(client, WINDOW * 100)
    for address in (
        "/profile/",
        "/administration/tenant-agents/",
        "/o/acme/agents/api-keys/",
        "/o/acme/members/",
    ):
        assert client.get(address).status_code == 200


def test_input_survives_signing_in_again(alice: User) -> None:
    client = client_of(alice)
    nonce = nonce_of(client.get(NEW))
    data = {
        "name": "Typed before",
        "scopes": "read:audit-activity",
        "environment": "test",
        "expires": "30",
        "nonce": nonce,
    }
    grow_old(client, WINDOW)
    form = sign_in_again(client, client.post(NEW, data))
    html = form.content.decode()
    assert form.request["PATH_INFO"] == NEW
    for kept in (
        'value="Typed before"',
        'value="read:audit-activity" checked',
        'value="30" selected',
    ):
        assert kept in html
    assert nonce_of(form) == nonce
    assert not Key.objects.exists(), "the key is issued only when the form is sent again"
    assert client.post(NEW, data).status_code == 200
    assert client.post(NEW, data).status_code == 409
    assert 'value="Typed before"' not in client.get(NEW).content.decode(), "it is kept for one time"


def test_confirmation_returns_after_signing_in_again(
    alice: User, public_key_of_alice: Issued
) -> None:
    client = client_of(alice)
    address = f"/keys/{public_key_of_alice.key.public_id}/revoke/"
    grow_old(client, WINDOW)
    page = sign_in_again(client, client.post(address, {"reason": "Leaked in a log"}))
    assert page.request["PATH_INFO"] == address
    assert 'value="Leaked in a log"' in page.content.decode()
    assert Key.objects.get().revoked_at is None


def test_kept_input_has_no_headers_or_cookies(alice: User) -> None:
    client = client_of(alice)
    grow_old(client, WINDOW)
    client.post(NEW, {"name": "x", "csrfmiddlewaretoken": "t" * 64})
    session = next(
        s.get_decoded() for s in Session.objects.all() if "kept_fields" in s.get_decoded()
    )
    assert session["kept_fields"] == {"path": NEW, "fields": "name=x"}
    assert "account_reauthentication_state" not in session


def test_kept_input_is_for_one_page(alice: User, public_key_of_alice: Issued) -> None:
    client = client_of(alice)
    grow_old(client, WINDOW)
    again = client.post(NEW, {"name": "For another page"})
    client.post(again["Location"], {"password": PASSWORD})
    assert "For another page" not in client.get("/o/acme/agents/api-keys/new/").content.decode()
    assert "For another page" in client.get(NEW).content.decode()


def test_oversized_input_is_not_kept(alice: User) -> None:
    client = client_of(alice)
    grow_old(client, WINDOW)
    assert client.post(NEW, {"name": "x" * 40_000}).status_code == 302
    assert "kept_fields" not in client.session


def test_wrong_password_is_not_a_recent_sign_in(alice: User) -> None:
    client = client_of(alice)
    grow_old(client, WINDOW)
    again = client.get(NEW)["Location"]
    assert client.post(again, {"password": "wrong"}).status_code == 200
    assert client.get(NEW).status_code == 302
    assert client.post(again, {"password": PASSWORD}).status_code == 302
    assert client.get(NEW).status_code == 200


def test_another_users_sign_in_does_not_count(alice: User) -> None:
    client = client_of(alice)
    assert client.get(NEW).status_code == 200
    session = client.session
    session["account_authentication_methods_user"] = "another user"
    session.save()
    assert client.get(NEW).status_code == 302


@pytest.mark.parametrize(
    ("method", "status"), [("password", 200), ("mfa", 200), ("password_reset", 302), ("email", 302)]
)
def test_only_password_and_second_factor_count(alice: User, method: str, status: int) -> None:
    client = client_of(alice)
    session = client.session
    session["account_authentication_methods"] = [
        {**session["account_authentication_methods"][0], "method": method}
    ]
    session.save()
    assert client.get(NEW).status_code == status


def test_user_without_a_method_is_told_what_to_do(alice: User) -> None:
    client = client_of(alice)
    grow_old(client, WINDOW)
    User.objects.filter(pk=alice.pk).update(password="!")
    client.force_login(User.objects.get(pk=alice.pk))
    response = client.get(NEW)
    assert response.status_code == 403
    assert "Sign out and sign in again" in response.content.decode()


def test_role_is_checked_before_the_sign_in(carol: User, mallory: User) -> None:
    for person, status in ((carol, 403), (mallory, 404)):
        client = client_of(person)
        grow_old(client, WINDOW)
        assert client.get("/o/acme/agents/api-keys/new/").status_code == status
