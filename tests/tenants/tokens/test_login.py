"""Signing in for tokens: the same words, limits and second factor as on the page."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tenants.models import TokenFamily, User
from tests.conftest import PASSWORD, api

pytestmark = pytest.mark.django_db
LOGIN, REFRESH, LOGOUT, ME = (f"/api/v1/auth/{name}" for name in ("login", "refresh", "logout", "me"))


def login(user: User, **fields: str) -> Any:
    return api().post(LOGIN, {"email": user.email, "password": PASSWORD} | fields, format="json")


def bearer(token: str) -> APIClient:
    return api(HTTP_AUTHORIZATION=f"Bearer {token}")


def test_a_sign_in_answers_what_the_document_shows(bob: User) -> None:
    answer = login(bob)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "refresh_token", "expires_in", "token_type"}
    assert answer.json()["expires_in"] == 3600
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["access_token"].startswith("eyJhbGciOiJSUzI1NiIs")
    assert answer.json()["refresh_token"].startswith("eyJhbGciOiJSUzI1NiIs")
    assert answer["Cache-Control"] == "no-store"


def test_a_token_says_whose_it_is(bob: User) -> None:
    me = bearer(login(bob).json()["access_token"]).get(ME)
    assert me.status_code == 200
    assert me.json()["id"] == bob.public_id
    assert me.json()["email"] == bob.email
    assert [place["slug"] for place in me.json()["organizations"]] == ["acme"]


def test_nothing_and_an_api_key_are_no_token(bob: User, public_key: Any) -> None:
    for client in (api(), api(public_key), bearer(public_key.plaintext.reveal()), bearer("opaque"), bearer("\xff.\xff.\xff")):
        answer = client.get(ME)
        assert (answer.status_code, answer.json()["code"]) == (401, "missing_token")
        assert answer["WWW-Authenticate"] == 'Bearer realm="Keyway"'


def test_a_token_beside_a_key_is_one_credential_too_many(bob: User, public_key: Any) -> None:
    client = api(public_key, HTTP_AUTHORIZATION=f"Bearer {login(bob).json()['access_token']}")
    assert client.get(ME).json()["code"] == "several_credentials"


def test_wrong_password_unknown_address_and_deactivated_user_get_one_answer(bob: User, carol: User) -> None:
    assert login(bob).status_code == login(carol).status_code == 200
    User.objects.filter(pk=carol.pk).update(is_active=False)
    before = TokenFamily.objects.count()
    answers = [login(bob, password="wrong"), login(bob, email="nobody@acme.example"), login(carol)]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["code"] == "invalid_login"
    assert answers[0]["WWW-Authenticate"] == 'Bearer realm="Keyway"'
    assert TokenFamily.objects.count() == before
