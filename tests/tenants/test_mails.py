"""Account mail comes from Keyway, in Keyway's words, and says what to do."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.test import Client

from tenants.models import Organization, User
from tests.conftest import PASSWORD, client_of

NEW = "a much better passphrase"


def only_mail() -> EmailMessage:
    [message] = mail.outbox
    assert "Hello from" not in message.body
    assert "Thank you for using" not in message.body
    assert "&#" not in message.body
    assert message.body.rstrip().endswith("Keyway at testserver")
    return message


def test_reset_mail_names_the_account_and_holds_the_link(bob: User) -> None:
    Client().post("/accounts/password/reset/", {"email": bob.email})
    message = only_mail()
    assert message.subject == "[Keyway] Choose your password"
    assert f"Keyway account, {bob.email}:" in message.body
    assert "http://testserver/accounts/password/reset/key/" in message.body


@pytest.mark.django_db
def test_mail_to_an_unknown_address_offers_no_sign_up() -> None:
    Client().post("/accounts/password/reset/", {"email": "eve@example.com"})
    message = only_mail()
    assert message.subject == "[Keyway] No account for this email address"
    assert "no Keyway account uses this email address" in message.body
    assert "http" not in message.body


def test_password_change_is_notified_with_its_origin(bob: User) -> None:
    client = client_of(bob)
    client.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW},
        HTTP_USER_AGENT="O'Browser <1.0>",
    )
    message = only_mail()
    assert message.subject == "[Keyway] Your password was changed"
    assert "IP address: 127.0.0.1" in message.body
    assert "Browser: O'Browser <1.0>" in message.body
    assert "If this wasn’t you, reset your password now" in message.body


@pytest.mark.parametrize(
    "name",
    [
        "account/email/email_changed",
        "account/email/email_confirm",
        "account/email/email_confirmation",
        "account/email/password_reset",
        "account/email/password_set",
        "mfa/email/recovery_codes_generated",
        "mfa/email/totp_activated",
        "mfa/email/totp_deactivated",
    ],
)
def test_every_other_mail_is_keyway_s_own(name: str) -> None:
    body = render_to_string(f"{name}_message.txt", {})
    subject = render_to_string(f"{name}_subject.txt", {})
    assert "Keyway at" in body
    assert "Hello from" not in body
    assert subject.strip()
    assert not subject.istitle()


def invited(by: User, email: str = "new@acme.example") -> EmailMessage:
    client_of(by).post("/o/acme/members/add/", {"email": email, "role": "auditor"})
    return only_mail()


def test_invitation_says_who_added_whom_to_what(alice: User, stopped_clock: datetime) -> None:
    message = invited(alice)
    assert message.subject == "[Keyway] Alice added you to Acme on Keyway"
    assert "Alice added you to Acme on Keyway, as auditor." in message.body
    assert "Choose a password to start. Your email address, new@acme.example," in message.body
    ends = stopped_clock + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    assert f"works once, until {ends:%-d %b %Y, %H:%M} UTC" in message.body


def test_link_of_an_invitation_chooses_a_password(alice: User) -> None:
    link = re.findall(r"http://testserver(/\S+/key/\S+)", str(invited(alice).body))[0]
    browser = Client()
    form = browser.get(link, follow=True)
    browser.post(form.redirect_chain[-1][0], {"password1": NEW, "password2": NEW})
    assert User.objects.get(email="new@acme.example").check_password(NEW)
    assert "This link no longer works" in Client().get(link, follow=True).content.decode()


def test_invitation_of_a_known_user_offers_sign_in(alice: User, mallory: User) -> None:
    message = invited(alice, mallory.email)
    assert message.subject == "[Keyway] Alice added you to Acme on Keyway"
    assert "http://testserver/accounts/login/" in message.body
    assert "/reset/" not in message.body


def test_links_ignore_the_host_header(alice: User, bob: User, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    settings.KEYWAY_URL = "https://keys.example/"
    client = Client(headers={"host": "evil.example"})
    client.post("/accounts/password/reset/", {"email": bob.email})
    browser = client_of(alice)
    form = {"email": "new@acme.example", "role": "member"}
    browser.post("/o/acme/members/add/", form, headers={"host": "evil.example"})
    browser.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW},
        headers={"host": "evil.example"},
    )
    assert len(mail.outbox) == 3
    for message in mail.outbox:
        assert "evil" not in f"{message.subject} {message.body}"
        assert "Keyway at keys.example" in message.body
    assert "https://keys.example/accounts/password/reset/key/" in mail.outbox[0].body
    assert "https://keys.example/accounts/password/reset/key/" in mail.outbox[1].body


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\x0b", "\x85", "\u2028"])
def test_hostile_name_adds_no_line_and_no_header(
    separator: str, alice: User, acme: Organization
) -> None:
    hostile = f"Eve{separator}Bcc: all@acme.example{separator}{separator}Open http://evil.example"
    User.objects.filter(pk=alice.pk).update(name=hostile)
    acme.name = hostile
    acme.save()
    message = invited(alice)
    assert message.message().get_all("Bcc") is None
    assert message.recipients() == ["new@acme.example"]
    assert len(message.subject.splitlines()) == 1
    assert not [line for line in message.body.splitlines() if line.startswith(("Bcc", "Open"))]


def test_browser_of_a_notice_adds_no_line(bob: User) -> None:
    client_of(bob).post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW},
        HTTP_USER_AGENT="Mozilla\x85Open http://evil.example",
    )
    assert not [line for line in only_mail().body.splitlines() if line.startswith("Open")]
