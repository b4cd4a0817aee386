"""Account mail comes from Keyway, in Keyway's words, and says what to do."""

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.test import Client

from tenants.models import User
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
