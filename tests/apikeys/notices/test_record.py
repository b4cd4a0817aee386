"""Notices of changes: in the transaction of the change, and to the people it concerns."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from apikeys import services
from apikeys.notices import preferences, record
from apikeys.notices.causes import ANY_NEW_KEY
from apikeys.services import Issued, Order
from audit.trail.actor import Actor
from config.lib.ids import uuid7
from tenants import services as tenants
from tenants.access import actor
from tenants.models import Organization, User
from tenants.roles import Role
from tests.apikeys.notices.conftest import Clock, found, letters, subjects_by_recipient
from tests.conftest import SYSTEM, IssueKey, join, membership_of

ISSUED_TO_BOB = "[Keyway] Acme: “Nightly” was issued in your name"


def issue_to(owner: User, by: Actor, name: str = "Nightly") -> Issued:
    return services.issue_public_key(
        owner=membership_of(owner),
        order=Order(name=name),
        scopes=["read:audit-activity"],
        by=by,
    )


def test_own_key_is_no_news(bob: User, alice: User) -> None:
    issue_to(bob, actor(bob))
    assert len(found("key.issued")) == 1
    assert letters() == []


def test_key_in_your_name_reaches_you_only(bob: User, alice: User, mallory: User) -> None:
    issue_to(bob, actor(alice))
    assert subjects_by_recipient() == {bob.email: [ISSUED_TO_BOB]}


def test_key_issued_with_your_key_is_news(public_key: Issued, bob: User) -> None:
    letters()
    key = Actor(kind="key", id=public_key.key.public_id, name="SIEM Integration")
    issue_to(bob, key)
    (letter,) = letters()
    assert letter.subject == ISSUED_TO_BOB
    assert "SIEM Integration issued the API key “Nightly” (sk_live_" in letter.body


def test_every_new_key_reaches_the_admins_who_chose_it(
    bob: User, alice: User, carol: User, acme: Organization
) -> None:
    olivia = join(acme, "olivia", Role.OWNER)
    for user in (alice, bob, carol, olivia):
        preferences.choose_for_person(user=user, choices={ANY_NEW_KEY: True}, by=SYSTEM)
    issue_to(bob, actor(bob))
    expected = {alice.email, olivia.email}
    assert subjects_by_recipient().keys() == expected, "bob and carol manage nothing"
    issue_to(bob, actor(alice), "Second")
    assert subjects_by_recipient()[alice.email] == ["[Keyway] Acme: “Nightly” was issued"]


def test_no_notice_survives_a_rolled_back_issue(bob: User, alice: User) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        issue_to(bob, actor(alice))
        1 / 0  # noqa: B018
    assert found("key.issued") == []


def test_notice_switched_off_is_not_sent(bob: User, alice: User) -> None:
    preferences.choose_for_person(user=bob, choices={"key.issued": False}, by=SYSTEM)
    issue_to(bob, actor(alice))
    assert letters() == []


def test_person_who_left_hears_nothing(bob: User, alice: User) -> None:
    issue_to(bob, actor(alice))
    tenants.remove_member(membership=membership_of(bob), by=SYSTEM)
    assert letters() == []


def test_retired_secret_alarms_once_an_hour(
    clock: Clock, public_key: Issued, bob: User, alice: User
) -> None:
    def present(**duration: float) -> int:
        clock.now += timedelta(**duration)
        record.retired_secret_used(
            public_key.key, mask="sk_live_old…key", address="203.0.113.9", at=clock.now
        )
        return len(found("key.retired_secret_used"))

    assert present() == 1
    assert present(minutes=59, seconds=59) == 1
    assert present(seconds=1) == 2
    subject = "[Keyway] Acme: A retired secret of “SIEM Integration” was used"
    assert subjects_by_recipient() == {email: [subject] * 2 for email in (bob.email, alice.email)}
    assert "sk_live_old…key" in letters()[0].body
    assert "presented from 203.0.113.9. The request was refused." in letters()[0].body


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="needs two connections")
@pytest.mark.django_db(transaction=True)
def test_retired_secret_presented_twice_at_once_alarms_once(
    clock: Clock, public_key: Issued
) -> None:
    gate = threading.Barrier(4)

    def present(number: int) -> None:
        gate.wait()
        try:
            at = clock.now + timedelta(microseconds=number)
            record.retired_secret_used(public_key.key, mask="m", address="", at=at)
        finally:
            connection.close()

    threads = [threading.Thread(target=present, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found("key.retired_secret_used")) == 1


def test_approval_is_asked_of_admins_and_answered_to_the_requester(
    clock: Clock, acme: Organization, alice: User, bob: User, carol: User
) -> None:
    olivia, request = join(acme, "olivia", Role.OWNER), uuid7()
    about = {"request_id": request, "organization": acme, "name": "Ledger", "at": clock.now}
    record.approval_requested(requester=alice, **about)  # type: ignore[arg-type]
    record.approval_requested(requester=alice, **about)  # type: ignore[arg-type]
    asked = {olivia.email: ["[Keyway] Acme: Alice requests the key “Ledger”"]}
    assert subjects_by_recipient() == asked
    record.approval_answered(
        requester=alice,
        is_approved=False,
        reason="Use a test key.",
        by=actor(olivia),
        **about,  # type: ignore[arg-type]
    )
    assert subjects_by_recipient()[alice.email] == ["[Keyway] Acme: “Ledger” was refused"]
    assert "Reason given: Use a test key." in letters()[-1].body


def test_admins_choose_causes_and_recipients(
    clock: Clock, acme: Organization, alice: User, issue_agent_key: IssueKey
) -> None:
    olivia = join(acme, "olivia", Role.OWNER)
    choose = {"organization": acme, "by": SYSTEM}
    chosen = [str(membership_of(olivia).pk)]
    preferences.choose_for_organization(
        causes=["key.retired_secret_used"],
        recipients=chosen,
        **choose,  # type: ignore[arg-type]
    )
    key = issue_agent_key().key
    record.retired_secret_used(key, mask="m", address="", at=clock.now)
    assert subjects_by_recipient().keys() == {olivia.email}
    tenants.change_role(membership=membership_of(olivia), role=Role.MEMBER, by=SYSTEM)
    record.retired_secret_used(key, mask="m", address="", at=clock.now + timedelta(hours=1))
    assert len(letters()) == 1, "olivia manages nothing any more"


def test_hostile_names_add_no_header_and_no_line(bob: User, alice: User) -> None:
    name = "A\r\nBcc: eve@example.com\n\nClick \u202ehttps://evil.example {0.__class__}"
    issue_to(bob, actor(alice), name)
    (letter,) = letters()
    assert "\n" not in letter.subject
    assert "\r" not in letter.subject + letter.body
    assert "\u202e" not in letter.subject + letter.body
    assert [line for line in letter.body.splitlines() if line.startswith(("Bcc", "Click"))] == []
    assert "{0.__class__}" in letter.body


def test_mail_links_to_the_key_and_to_the_choice(bob: User, alice: User) -> None:
    key = issue_to(bob, actor(alice)).key
    body = letters()[0].body
    assert f"\nhttp://testserver/keys/{key.public_id}/\n" in body
    assert "\nhttp://testserver/profile/notifications/\n" in body
    assert body.endswith("Keyway at testserver\n")
