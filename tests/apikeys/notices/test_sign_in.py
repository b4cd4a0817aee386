"""A sign-in from a new place is mailed to its person, and a familiar one is not."""

import json

import pytest
from django.test import Client

from apikeys.notices.models import KnownOrigin
from apikeys.notices.origins import kind_of
from tenants.models import User
from tests.apikeys.notices.conftest import found, letters
from tests.conftest import PASSWORD

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
NEWER = FIREFOX.replace("145", "146")
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/605.1.15"
HOME, CAFE = "192.0.2.7", "198.51.100.9"


def sign_in(user: User, address: str, agent: str, password: str = PASSWORD) -> None:
    fields = {"login": user.email, "password": password}
    Client(REMOTE_ADDR=address, HTTP_USER_AGENT=agent).post("/accounts/login/", fields)


def sign_in_program(user: User, address: str, agent: str) -> None:
    body = json.dumps({"email": user.email, "password": PASSWORD})
    response = Client(REMOTE_ADDR=address, HTTP_USER_AGENT=agent).post(
        "/api/v1/auth/login", body, content_type="application/json"
    )
    assert response.status_code == 200


def test_new_browser_or_address_is_news_once(bob: User) -> None:
    sign_in(bob, HOME, FIREFOX)
    assert found("sign_in.new") == [], "there is nothing to compare the first one with"
    sign_in(bob, HOME, NEWER)
    assert found("sign_in.new") == [], "an update of the browser is no news"
    sign_in(bob, CAFE, FIREFOX)
    sign_in(bob, CAFE, FIREFOX)
    sign_in(bob, HOME, SAFARI)
    news = [(notice.data["agent"], notice.data["address"]) for notice in found("sign_in.new")]
    assert news == [("Firefox on Linux", CAFE), ("Safari on iOS", HOME)]
    assert [letter.recipient for letter in letters()] == [bob.email] * 2
    assert letters()[0].subject == "[Keyway] New sign-in from Firefox on Linux"
    assert f"IP address {CAFE}" in letters()[0].body


def test_program_is_a_place_of_its_own(bob: User) -> None:
    sign_in(bob, HOME, FIREFOX)
    sign_in_program(bob, HOME, "ledger-import/2.1 (cron)")
    sign_in_program(bob, HOME, "ledger-import/2.2")
    assert [notice.data["agent"] for notice in found("sign_in.new")] == ["ledger-import"]


def test_wrong_password_is_no_sign_in(bob: User) -> None:
    sign_in(bob, HOME, FIREFOX)
    sign_in(bob, CAFE, SAFARI, password="wrong")
    assert found("sign_in.new") == []
    assert KnownOrigin.objects.count() == 1


def test_place_of_another_person_is_new_to_you(bob: User, alice: User) -> None:
    sign_in(alice, CAFE, SAFARI)
    sign_in(bob, HOME, FIREFOX)
    sign_in(bob, CAFE, SAFARI)
    assert [notice.person for notice in found("sign_in.new")] == [bob]


def test_addresses_of_one_ipv6_network_are_one_place(bob: User) -> None:
    sign_in(bob, "2001:db8:1:2::1", FIREFOX)
    sign_in(bob, "2001:db8:1:2:ffff::9", FIREFOX)
    assert found("sign_in.new") == []
    sign_in(bob, "2001:db8:1:3::1", FIREFOX)
    assert len(found("sign_in.new")) == 1


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("", "Unknown program"),
        ("curl/8.5.0", "curl"),
        ("\x00\u202eevil\n/1", "��evil�"),
        ("x" * 5000, "x" * 100),
    ],
)
def test_odd_user_agents_are_named(agent: str, kind: str) -> None:
    assert kind_of(agent) == kind
