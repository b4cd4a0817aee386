"""The Django admin responds with 404 to unknown objects, and lets staff change no sign-in."""

import pytest
from django.contrib.contenttypes.models import ContentType

from tenants.models import Agent, User
from tests.conftest import client_of


@pytest.mark.parametrize("odd", ["1", "x", "0199f3a2", "é", "None", "_5F"])
def test_an_invalid_id_is_never_a_server_error(staff: User, odd: str) -> None:
    """Django's view_on_site fails on an id that is not a UUID, so Keyway excludes it."""
    browser = client_of(staff)
    browser.raise_request_exception = False
    kind = ContentType.objects.get_for_model(Agent).pk
    assert browser.get(f"/admin/r/{kind}/{odd}/").status_code == 404
    for page in ("change", "history", "delete"):
        assert browser.get(f"/admin/tenants/agent/{odd}/{page}/", follow=True).status_code in {
            200,
            403,
            404,
        }


@pytest.mark.parametrize(
    "kind", ["account/emailaddress", "auth/group", "mfa/authenticator", "usersessions/usersession"]
)
def test_staff_cannot_change_how_a_person_signs_in(staff: User, kind: str) -> None:
    """Libraries register editable models, with which staff could become alice without a trail."""
    browser = client_of(staff)
    assert browser.get("/admin/tenants/user/").status_code == 200
    assert kind not in browser.get("/admin/").content.decode()
    assert (
        browser.get(f"/admin/{kind}/").status_code
        == browser.get(f"/admin/{kind}/add/").status_code
        == 404
    )


def test_staff_change_their_password_on_keyways_page(staff: User) -> None:
    assert (
        client_of(staff).post("/admin/password_change/").headers["Location"]
        == "/accounts/password/change/"
    )


def test_a_signed_in_person_who_is_not_staff_gets_403(alice: User, staff: User) -> None:
    for address in ("/admin/", "/admin/login/", "/admin/tenants/user/"):
        assert client_of(staff).get(address, follow=True).status_code == 200
        assert client_of(alice).get(address).status_code == 403
