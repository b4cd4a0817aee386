"""Signing in with the API: the same answers, limits and second factor as on the page."""

from typing import Any, ClassVar

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from config.lib import logs
from config.lib.rates import Rate
from tenants.models import User
from tenants.sign_in.api import Login
from tenants.sign_in.tokens.models import TokenFamily
from tenants.sign_in.tokens.services import TokenPair
from tests.conftest import PASSWORD, api

pytestmark = pytest.mark.django_db
LOGIN, REFRESH, LOGOUT, ME = (
    f"/api/v1/auth/{name}" for name in ("login", "refresh", "logout", "me")
)


def login(user: User, **fields: str) -> Any:
    return api().post(LOGIN, {"email": user.email, "password": PASSWORD} | fields, format="json")


def bearer(token: str) -> APIClient:
    return api(HTTP_AUTHORIZATION=f"Bearer {token}")


def test_login_matches_the_document(bob: User) -> None:
    response = login(bob)
    assert response.status_code == 200
    assert set(response.json()) == {"access_token", "refresh_token", "expires_in", "token_type"}
    assert response.json()["expires_in"] == 3600
    assert response.json()["token_type"] == "Bearer"
    assert response.json()["access_token"].startswith("eyJhbGciOiJSUzI1NiIs")
    assert response.json()["refresh_token"].startswith("eyJhbGciOiJSUzI1NiIs")
    assert response["Cache-Control"] == "no-store"


def test_me_returns_the_user(bob: User) -> None:
    me = bearer(login(bob).json()["access_token"]).get(ME)
    assert me.status_code == 200
    assert me.json()["id"] == bob.public_id
    assert me.json()["email"] == bob.email
    assert [place["slug"] for place in me.json()["organizations"]] == ["acme"]


def test_api_key_is_not_a_user_token(bob: User, public_key: Any) -> None:
    for client in (
        api(),
        api(public_key),
        bearer(public_key.plaintext.reveal()),
        bearer("opaque"),
        bearer("\xff.\xff.\xff"),
    ):
        response = client.get(ME)
        assert (response.status_code, response.json()["code"]) == (401, "missing_token")
        assert response["WWW-Authenticate"] == 'Bearer realm="Keyway"'


def test_token_and_key_together_are_refused(bob: User, public_key: Any) -> None:
    client = api(public_key, HTTP_AUTHORIZATION=f"Bearer {login(bob).json()['access_token']}")
    assert client.get(ME).json()["code"] == "several_credentials"


def test_failed_logins_are_indistinguishable(bob: User, carol: User) -> None:
    assert login(bob).status_code == login(carol).status_code == 200
    User.objects.filter(pk=carol.pk).update(is_active=False)
    before = TokenFamily.objects.count()
    responses = [
        login(bob, password="wrong"),
        login(bob, email="nobody@acme.example"),
        login(carol),
    ]
    assert {response.status_code for response in responses} == {401}
    assert len({response.content for response in responses}) == 1
    assert responses[0].json()["code"] == "invalid_login"
    assert responses[0]["WWW-Authenticate"] == 'Bearer realm="Keyway"'
    assert TokenFamily.objects.count() == before


def test_login_records_time_and_origin(bob: User) -> None:
    client = api(HTTP_USER_AGENT="curl/8 \x00\xff" + "x" * 500)
    assert (
        client.post(
            LOGIN, {"email": bob.email.upper(), "password": PASSWORD}, format="json"
        ).status_code
        == 200
    )
    family = TokenFamily.objects.get()
    assert (family.user, family.ip, len(family.user_agent)) == (bob, "127.0.0.1", 255)
    bob.refresh_from_db()
    assert bob.last_login == family.created_at


MALFORMED = [
    b"", b"null", b"[]", b"\xff", b"[" * 9000, b'{"a":' * 2000,
    b'{"email":"a","password":"x","password":"y"}',
]  # fmt: skip
INVALID = [
    (b"{}", {"email", "password"}),
    (b'{"email":"a@b.example"}', {"password"}),
    (b'{"email":1,"password":"x"}', {"email"}),
    (b'{"email":"a","password":["x"]}', {"password"}),
    (b'{"email":"a","password":""}', {"password"}),
    (b'{"email":"a\\u0000","password":"x"}', {"email"}),
    (b'{"email":"a","password":"\\ud800"}', {"password"}),
    (b'{"email":"a","password":"x","admin":true}', {"admin"}),
    (b'{"email":"' + b"a" * 255 + b'","password":"x"}', {"email"}),
    (b'{"email":"a","password":"x","code":123456}', {"code"}),
]


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_login_is_refused(body: bytes) -> None:
    response = api().post(LOGIN, data=body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize(("body", "fields"), INVALID)
def test_invalid_login_names_its_fields_and_echoes_nothing(body: bytes, fields: set[str]) -> None:
    response = api().post(LOGIN, data=body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")
    assert response.json()["errors"].keys() == fields
    assert b"aaaa" not in response.content


def test_other_types_and_large_bodies_are_refused(bob: User) -> None:
    form = api().post(LOGIN, {"email": bob.email, "password": PASSWORD}, format="multipart")
    assert (form.status_code, form.json()["code"]) == (415, "unsupported_media_type")
    large = api().post(LOGIN, {"email": bob.email, "password": "x" * 20_000}, format="json")
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")


def test_five_failures_block_even_the_right_password(bob: User, carol: User) -> None:
    assert [login(bob, password=f"wrong {n}").status_code for n in range(5)] == [401] * 5
    limited = login(bob)
    assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
    assert limited["Retry-After"] == "300"
    assert login(carol).status_code == 200


def test_page_and_api_share_the_failure_limit(bob: User) -> None:
    for number in range(5):
        Client().post("/accounts/login/", {"login": bob.email, "password": f"wrong {number}"})
    assert login(bob).status_code == 429


def test_login_rate_per_address_matches_the_page(bob: User, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login": Rate(3, 60).for_allauth("ip")}
    responses = [login(bob) for _ in range(4)]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    assert responses[-1]["Retry-After"] == "60"


class Counting(MD5PasswordHasher):
    work: ClassVar[list[str]] = []

    def encode(self, password: str, salt: str) -> str:
        self.work.append(password)
        return super().encode(password, salt)


def test_unknown_address_hashes_a_password_too(bob: User, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.Counting"]
    Counting.work.clear()
    login(bob, password="wrong")
    login(bob, email="nobody@acme.example", password="wrong")
    assert Counting.work == ["wrong", "wrong"]


def test_password_is_in_no_log_or_repr(bob: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secret = "a very unusual password"
    login(bob, password=secret)
    pair = login(bob).json()
    api().post(REFRESH, {"refresh_token": pair["refresh_token"]}, format="json")
    output = (
        caplog.text
        + repr(Login("a", secret))
        + repr(TokenPair(pair["access_token"], pair["refresh_token"]))
    )
    assert not [
        text
        for text in (secret, PASSWORD, *pair.values())
        if str(text) in output and text not in ("Bearer", 3600)
    ]
    assert logs.redact(f"sent {pair['refresh_token']}") == "sent eyJ[redacted]"
