"""Administration → Members → Add member, for people with and without an account."""

from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.test import Client

from audit.models import TrailEntry
from tenants.models import Membership, Organization, User
from tenants.roles import Role
from tests.conftest import client_of

pytestmark = pytest.mark.django_db
ADD = "/o/acme/members/add/"


class BrokenMail(BaseEmailBackend):
    def send_messages(self, email_messages: Any) -> int:
        raise ConnectionRefusedError("no mail server")


def test_an_existing_person_is_added(alice: User, mallory: User, acme: Organization) -> None:
    response = client_of(alice).post(
        ADD, {"email": " MALLORY@globex.example ", "role": "auditor"}, follow=True
    )
    assert "Added mallory@globex.example" in response.content.decode()
    assert acme.memberships.get(user=mallory).role == Role.AUDITOR
    assert User.objects.count() == 2
    assert not mail.outbox


def test_somebody_new_gets_an_account_without_a_password_and_a_mail_to_choose_one(
    alice: User, acme: Organization
) -> None:
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


def test_what_is_said_does_not_tell_whether_the_person_was_known(
    alice: User, mallory: User
) -> None:
    client = client_of(alice)
    said = [
        client.post(ADD, {"email": email, "role": "member"}, follow=True)
        .content.decode()
        .count(f"Added {email}. Whoever has")
        for email in (mallory.email, "new@acme.example")
    ]
    assert said == [1, 1]


def test_a_mail_that_cannot_be_sent_is_told_and_the_member_is_added(
    alice: User, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "tests.tenants.test_pages_invitations.BrokenMail"
    response = client_of(alice).post(
        ADD, {"email": "new@acme.example", "role": "member"}, follow=True
    )
    assert "could not be sent" in response.content.decode()
    assert Membership.objects.filter(user__email="new@acme.example").exists()


@pytest.mark.parametrize(
    ("sent", "field"),
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
def test_what_cannot_be_added_is_refused_and_leaves_no_account(
    alice: User, bob: User, sent: dict[str, str], field: str
) -> None:
    client = client_of(alice)
    before = (User.objects.count(), Membership.objects.count(), TrailEntry.objects.count())
    response = client.post(ADD, sent)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert (User.objects.count(), Membership.objects.count(), TrailEntry.objects.count()) == before
    assert not mail.outbox
    assert client.post(ADD, {"email": "new@acme.example", "role": "member"}).status_code == 302
