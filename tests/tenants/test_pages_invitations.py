"""Administration → Members → Add member, for people with and without an account."""

from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError
from django.test import Client

from audit.models import TrailEntry
from audit.outbox import store
from audit.outbox.models import Message
from tenants.models import Membership, Organization, User
from tenants.roles import Role
from tests.conftest import client_of

pytestmark = pytest.mark.django_db
ADD = "/o/acme/members/add/"


def test_existing_user_is_added(alice: User, mallory: User, acme: Organization) -> None:
    response = client_of(alice).post(
        ADD, {"email": " MALLORY@globex.example ", "role": "auditor"}, follow=True
    )
    assert "Added mallory@globex.example" in response.content.decode()
    assert acme.memberships.get(user=mallory).role == Role.AUDITOR
    assert User.objects.count() == 2
    [message] = mail.outbox
    assert message.to == [mallory.email]
    assert "/accounts/password/reset/key/" not in message.body


def test_new_user_gets_an_account_and_an_email(alice: User, acme: Organization) -> None:
    response = client_of(alice).post(
        ADD, {"email": "New@Acme.example", "role": "member"}, follow=True
    )
    person = User.objects.get(email="new@acme.example")
    assert not person.has_usable_password()
    assert acme.memberships.get(user=person).role == Role.MEMBER
    [message] = mail.outbox
    assert message.to == ["new@acme.example"]
    assert "/accounts/password/reset/key/" in message.body
    assert "Added new@acme.example" in response.content.decode()
    stranger = Client()
    assert (
        stranger.post("/accounts/login/", {"login": person.email, "password": ""}).status_code
        == 200
    )


def test_message_does_not_reveal_known_users(alice: User, mallory: User) -> None:
    client = client_of(alice)
    counts = [
        client.post(ADD, {"email": email, "role": "member"}, follow=True)
        .content.decode()
        .count(f"Added {email}, and sent them an email.")
        for email in (mallory.email, "new@acme.example")
    ]
    assert counts == [1, 1]


def test_email_waits_in_the_outbox(alice: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = "audit.outbox.backend.OutboxBackend"
    settings.KEYWAY_EMAIL_TRANSPORT = "there.is.no.Transport"
    client_of(alice).post(ADD, {"email": "new@acme.example", "role": "member"})
    assert Membership.objects.filter(user__email="new@acme.example").exists()
    assert Message.objects.waiting().get().recipient == "new@acme.example"


def test_unstored_email_adds_no_member(
    alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: object) -> None:
        raise OperationalError("the connection is lost")

    settings.EMAIL_BACKEND = "audit.outbox.backend.OutboxBackend"
    monkeypatch.setattr(store, "put", away)
    client = client_of(alice)
    client.raise_request_exception = False
    answer = client.post(ADD, {"email": "new@acme.example", "role": "member"})
    assert answer.status_code == 503
    assert not Membership.objects.filter(user__email="new@acme.example").exists()


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"email": "bob@acme.example", "role": "member"}, "email"),
        ({"email": "not an address", "role": "member"}, "email"),
        ({"email": "x" * 300 + "@acme.example", "role": "member"}, "email"),
        ({"email": "new\u202e@acme.example", "role": "member"}, "email"),
        ({"email": "new@acme.example", "role": "owner"}, "role"),
        ({"email": "new@acme.example", "role": "root"}, "role"),
        ({"email": "new@acme.example"}, "role"),
    ],
)
def test_refused_invitation_leaves_no_account(
    alice: User, bob: User, data: dict[str, str], field: str
) -> None:
    client = client_of(alice)
    before = (User.objects.count(), Membership.objects.count(), TrailEntry.objects.count())
    response = client.post(ADD, data)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert (User.objects.count(), Membership.objects.count(), TrailEntry.objects.count()) == before
    assert not mail.outbox
    assert client.post(ADD, {"email": "new@acme.example", "role": "member"}).status_code == 302
