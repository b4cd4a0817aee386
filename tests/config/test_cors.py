"""Cross-origin calls, through config.wsgi as a server makes them."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from apikeys.checks import check_origins
from apikeys.services import Issued
from config.serving import cors
from tenants.models import User
from tests.conftest import client_of
from tests.tenants.tokens.forge import signed_in
from tests.wsgi import Answer, call

pytestmark = pytest.mark.django_db
APP, OTHER = "https://app.example.com", "https://evil.example"
WHOAMI, VERIFY = "/api/v1/whoami", "/api/v1/verify"


@pytest.fixture(autouse=True)
def _origins(settings: Settings) -> None:
    settings.KEYWAY_CORS_ORIGINS = [APP, "http://localhost:5173"]


def ask(path: str, origin: str = APP, **environ: Any) -> Answer:
    return call(path, HTTP_HOST="testserver", HTTP_ORIGIN=origin, **environ)


def preflight(path: str, origin: str = APP) -> Answer:
    return ask(
        path,
        origin,
        REQUEST_METHOD="OPTIONS",
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="GET",
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS="authorization",
    )


def cors_headers(answer: Answer) -> dict[str, str]:
    return {name: text for name, text in answer.headers.items() if name.startswith("Access-")}


@pytest.mark.parametrize("path", [WHOAMI, VERIFY, "/api/keys/list", "/v1/databases"])
def test_preflight_of_a_named_origin_is_answered(path: str) -> None:
    answer = preflight(path)
    assert (answer.status, answer.body, answer.headers["Vary"]) == (204, b"", "Origin")
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "x-api-key", "x-organization-id", "content-type"} <= set(allowed)
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", [OTHER, "", "null", "*", APP.upper(), f"{APP}/", f"{APP}.evil.example", f"{APP}:443"]
)
def test_other_origins_get_no_permission(origin: str, public_key: Issued) -> None:
    secret = public_key.plaintext.reveal()
    assert cors_headers(ask(WHOAMI, HTTP_X_API_KEY=secret))
    for answer in (preflight(WHOAMI, origin), ask(WHOAMI, origin, HTTP_X_API_KEY=secret)):
        assert cors_headers(answer) == {}
        assert "Origin" in answer.headers["Vary"]  # no cache may mix up the two


def test_every_answer_can_be_read_by_the_page(bob: User) -> None:
    token = {"HTTP_AUTHORIZATION": f"Bearer {signed_in(bob).access}"}
    answers = {
        (WHOAMI, 200): ask(WHOAMI, **token),
        (WHOAMI, 401): ask(WHOAMI),
        (VERIFY, 204): ask(VERIFY, **token),
        (VERIFY, 401): ask(VERIFY),
        ("unknown address", 404): ask("/api/v1/nowhere"),
        ("refused charset", 415): ask(WHOAMI, CONTENT_TYPE="x; charset=utf-16"),
    }
    for (name, status), answer in answers.items():
        assert answer.status == status, name
        assert answer.headers["Access-Control-Allow-Origin"] == APP, name
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        hidden = {"Content-Length", "Content-Type", "Cache-Control", "Vary", "Allow"}
        ours = {each for each in answer.headers if each.startswith(("X-Key", "Rate", "Retry"))}
        assert ours <= set(exposed) - hidden, name
        assert "Access-Control-Allow-Credentials" not in answer.headers, name


def test_cookie_of_another_origin_counts_for_nothing(bob: User) -> None:
    cookies = "; ".join(f"{name}={each.value}" for name, each in client_of(bob).cookies.items())
    own = call("/api/v1/api-keys", HTTP_HOST="testserver", HTTP_COOKIE=cookies)
    assert own.status == 200
    foreign = ask("/api/v1/api-keys", HTTP_COOKIE=cookies)
    assert (foreign.status, foreign.code) == (401, "missing_key")


def test_vary_keeps_what_the_response_had() -> None:
    headers = [("Vary", "Accept, Cookie"), ("ETag", '"1"')]
    assert cors._varied(headers) == [("ETag", '"1"'), ("Vary", "Accept, Cookie, Origin")]


def test_pages_are_for_no_other_origin() -> None:
    for path in ("/accounts/login/", "/docs/errors/", "/healthz"):
        assert cors_headers(ask(path)) == {}
        assert cors_headers(preflight(path)) == {}


def test_nothing_changes_without_the_setting(settings: Settings) -> None:
    settings.KEYWAY_CORS_ORIGINS = []
    for answer in (ask(WHOAMI), preflight(WHOAMI), preflight(VERIFY)):
        assert answer.status in {401, 405}
        assert cors_headers(answer) == {}
        assert "Origin" not in answer.headers.get("Vary", "")
    assert json.loads(ask(WHOAMI).body)["code"] == "missing_key"
    assert Client().options(WHOAMI).status_code == 401


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.example.com",
        "app.example.com",
        "//app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://app.example.com?x",
        "https://user@app.example.com",
        "https://App.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://app.example.com:99999",
        "https://app.example.com:",
        "https://",
        "ftp://app.example.com",
        "https://app.example.com\n",
        "https://testserver",  # Keyway's own
    ],
)
def test_startup_check_refuses_a_wrong_origin(origin: str, settings: Settings) -> None:
    settings.KEYWAY_URL = "https://testserver/"
    settings.KEYWAY_CORS_ORIGINS = [APP, "http://localhost:5173", "http://[::1]:8080"]
    assert check_origins(None) == []
    settings.KEYWAY_CORS_ORIGINS += [origin]
    [error] = check_origins(None)
    assert (error.id, bool(error.hint)) == ("keyway.E009", True)
