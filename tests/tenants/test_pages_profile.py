"""The Profile page: personal details, and what the page shows."""

from typing import Any

import pytest
from django.test import Client

from apikeys.services import Issued
from tenants import services as tenants
from tenants.models import User
from tests.conftest import SYSTEM, client_of, membership_of

pytestmark = pytest.mark.django_db
PROFILE = "/profile/"


def fields(**changes: Any) -> dict[str, Any]:
    return {"name": "Bob Brandt", "time_zone": "Europe/Berlin", "theme": "dark"} | changes


def test_profile_is_saved_on_the_server(alice: User, bob: User) -> None:
    client = client_of(bob)
    bystander = User.objects.filter(pk=alice.pk).values().get()
    response = client.post(PROFILE, fields(), follow=True)
    html = response.content.decode()
    assert "Saved your profile" in html
    assert '<html lang="en" dir="ltr" data-theme="dark">' in html
    assert User.objects.values_list("name", "time_zone", "theme").get(pk=bob.pk) == (
        "Bob Brandt",
        "Europe/Berlin",
        "dark",
    )
    assert User.objects.filter(pk=alice.pk).values().get() == bystander


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Bob\u202e"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"theme": "neon"}, "theme"),
    ],
)
def test_invalid_profile_is_refused_and_not_shown(
    bob: User, changes: dict[str, str], field: str
) -> None:
    client = client_of(bob)
    response = client.post(PROFILE, fields(**changes))
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert 'aria-label="Account: Bob"' in response.content.decode()
    assert User.objects.values_list("name", "theme").get(pk=bob.pk) == ("Bob", "system")
    assert client.post(PROFILE, fields()).status_code == 302


def test_profile_form_cannot_grant_rights(bob: User) -> None:
    extra = {
        "email": "root@acme.example",
        "is_staff": "on",
        "is_superuser": "on",
        "is_active": "",
        "password": "x",
    }
    assert client_of(bob).post(PROFILE, fields(**extra)).status_code == 302
    changed = User.objects.get(pk=bob.pk)
    assert (changed.email, changed.is_staff, changed.is_superuser, changed.is_active) == (
        bob.email,
        False,
        False,
        True,
    )
    assert changed.password == bob.password


def test_profile_form_needs_a_csrf_token(bob: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client_of(bob).cookies
    assert strict.post(PROFILE, fields()).status_code == 403


def test_profile_requires_sign_in(db: None) -> None:
    response = Client().get(PROFILE)
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/profile/")


def test_profile_lists_only_own_keys(
    alice: User, bob: User, public_key: Issued, agent_key: Issued
) -> None:
    html = client_of(alice).get(f"{PROFILE}?status=all").content.decode()
    assert public_key.plaintext.mask not in html
    assert agent_key.plaintext.mask not in html
    mine = client_of(bob).get(PROFILE).content.decode()
    assert public_key.plaintext.mask in mine
    for words in ("API Keys", "New API Key", "Revoke", "Read Audit Activity", "Never used"):
        assert words in mine


def test_profile_lists_keys_of_ended_memberships(bob: User, public_key: Issued) -> None:
    tenants.remove_member(membership=membership_of(bob), by=SYSTEM)
    html = client_of(bob).get(f"{PROFILE}?status=inactive").content.decode()
    assert "Owner inactive" in html
    assert public_key.plaintext.mask in html
