"""Sign-up with KEYWAY_SIGN_UP=open: a confirmed address, and an organization of one's own."""

import re
import time
from typing import Any

import pytest
from django.core import mail
from django.core.checks import run_checks
from django.test import Client

from audit.models import TrailEntry
from tenants.models import Membership, Organization, User
from tenants.roles import Role
from tenants.sign_up import ticket_for
from tests.conftest import PASSWORD, client_of

pytestmark = pytest.mark.django_db
START = "/accounts/signup/"
SENT = "/accounts/confirm-email/"
EVE = "eve@newco.example"
ACCOUNT = {
    "name": "Eve",
    "organization": "New Co",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


@pytest.fixture(autouse=True)
def _open(settings: Any) -> None:
    settings.KEYWAY_SIGN_UP = "open"


def link() -> str:
    found = re.search(r"http://testserver(/accounts/signup/\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def begin(email: str = EVE) -> str:
    assert Client().post(START, {"email": email}).headers["Location"] == SENT
    return link()


def test_signing_up_makes_a_person_the_owner_of_their_organization() -> None:
    address = begin(" Eve@Newco.example ")
    assert not User.objects.filter(email=EVE).exists()
    browser = Client()
    assert f"{EVE} is confirmed" in browser.get(address).content.decode()
    assert browser.post(address, ACCOUNT).headers["Location"] == "/accounts/login/"
    owner = Membership.objects.get(user__email=EVE)
    assert (owner.role, owner.organization.name) == (Role.OWNER, "New Co")
    assert owner.organization.slug == "new-co"
    assert client_of(owner.user).get("/o/new-co/members/").status_code == 200
    entry = TrailEntry.objects.get(action="user.signed_up")
    assert entry.actor_id == owner.user.public_id


def test_link_works_once() -> None:
    address = begin()
    assert Client().post(address, ACCOUNT).status_code == 302
    for response in (Client().get(address), Client().post(address, ACCOUNT)):
        assert "This link no longer works" in response.content.decode()
    assert User.objects.filter(email=EVE).count() == 1


def test_link_ends_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    now, day = int(time.time()), 24 * 3600
    monkeypatch.setattr(time, "time", lambda: now)
    ticket = ticket_for(EVE)
    for age, works in ((day, True), (day + 1, False)):
        monkeypatch.setattr(time, "time", lambda age=age: now + age)
        html = Client().get(f"{START}{ticket}/").content.decode()
        assert ("no longer works" not in html) is works


def test_altered_link_is_refused() -> None:
    address = begin()
    forged = address.replace(address.split("/")[3][:8], "ImV2aWxA")
    assert "no longer works" in Client().get(forged).content.decode()
    assert "no longer works" not in Client().get(address).content.decode()


def test_answer_does_not_reveal_who_has_an_account(bob: User) -> None:
    answers = [Client().post(START, {"email": email}) for email in (EVE, bob.email)]
    assert len({(answer.status_code, answer.headers["Location"]) for answer in answers}) == 1
    new, known = mail.outbox
    assert (new.to, known.to) == ([EVE], [bob.email])
    assert "You already have an account" in known.body
    assert "/accounts/signup/" not in known.body
    assert bob.check_password(PASSWORD)


def test_sign_up_cannot_take_over_an_invited_account(bob: User) -> None:
    address = begin()
    User.objects.create_user(EVE)
    assert "no longer works" in Client().post(address, ACCOUNT).content.decode()
    assert not User.objects.get(email=EVE).has_usable_password()


def test_taken_short_name_gets_another(acme: Organization) -> None:
    Client().post(begin(), ACCOUNT | {"organization": "ACME!"})
    place = Membership.objects.get(user__email=EVE).organization
    assert re.fullmatch(r"acme-[0-9a-f]{6}", place.slug)
    assert not acme.memberships.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password1": "short", "password2": "short"}, "password1"),
        ({"password1": EVE, "password2": EVE}, "password1"),
        ({"password2": "another long passphrase"}, "password2"),
        ({"name": "E\u202eve"}, "name"),
        ({"organization": ""}, "organization"),
    ],
)
def test_refused_account_leaves_nothing(change: dict[str, str], field: str) -> None:
    address = begin()
    response: Any = Client().post(address, ACCOUNT | change)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert not User.objects.exists()
    assert not Organization.objects.exists()
    assert Client().post(address, ACCOUNT).status_code == 302


def test_one_address_gets_one_email_in_three_minutes() -> None:
    for _ in range(3):
        assert Client().post(START, {"email": EVE}).headers["Location"] == SENT
    assert len(mail.outbox) == 1


def test_sign_ups_of_one_network_are_limited() -> None:
    for number in range(20):
        answer = Client().post(START, {"email": f"eve{number}@newco.example"})
        assert answer.status_code == 302
    assert Client().post(START, {"email": EVE}).status_code == 429
    assert len(mail.outbox) == 20


@pytest.mark.parametrize("value", ["closed", "OPEN", "yes", ""])
def test_sign_up_is_closed_unless_open(settings: Any, value: str) -> None:
    address = begin()
    settings.KEYWAY_SIGN_UP = value
    mail.outbox.clear()
    assert "invite-only" in Client().post(START, {"email": EVE}).content.decode()
    assert "no longer works" in Client().post(address, ACCOUNT).content.decode()
    assert not mail.outbox
    assert not User.objects.exists()
    found = {message.id for message in run_checks(tags=["security"])}
    assert ("keyway.E020" in found) is (value != "closed")
