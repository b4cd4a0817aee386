"""The Django decorator and the Django REST framework classes, in a project that is not Keyway's."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from keyway import Identity
from keyway.django import identity_of, require_key, verifier
from keyway.django.rest import HasScope, KeyHolder, KeywayAuthentication
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from tests.clients.python.conftest import KEY
from tests.clients.python.scripted import Reply, ScriptedServer
from tests.clients.python.verdicts import TOKEN, YES, YES_TO_TOKEN, denial
from tests.servers.keyway import KeywayServer

CHALLENGE = 'ApiKey realm="Keyway"'


@require_key(scope="read:audit-activity")
def plain(request: HttpRequest) -> HttpResponse:
    identity = identity_of(request)
    return JsonResponse(
        {"key": identity.key_id or identity.application_id, "method": request.method}
    )


@require_key()
async def plain_async(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    identity = identity_of(request)
    return JsonResponse({"key": identity.key_id or identity.application_id})


class Reports(APIView):
    authentication_classes = [KeywayAuthentication]
    permission_classes: list[Any] = [IsAuthenticated, HasScope("read:audit-activity")]

    def get_exception_handler(self) -> Any:
        # DRF's default one. These tests run with Keyway's settings, which name Keyway's.
        return exception_handler

    def get(self, request: Request) -> Response:
        return Response({"key": request.user.pk})


class Policies(Reports):
    permission_classes = [HasScope("write:policies")]


urlpatterns = [
    path("plain", plain),
    path("async", plain_async),
    path("rest", Reports.as_view()),
    path("policies", Policies.as_view()),
]


@pytest.fixture
def caller() -> Iterator[Client]:
    """Return a client of a service that checks CSRF and has none of Keyway's middleware."""
    verifier.cache_clear()
    with override_settings(
        ROOT_URLCONF=__name__, MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"]
    ):
        yield Client(enforce_csrf_checks=True, raise_request_exception=False)
    if verifier.cache_info().currsize:
        verifier().close()
    verifier.cache_clear()


def ask(
    caller: Client,
    url: str,
    address: str,
    key: str | None = KEY,
    *,
    token: str = "",
    method: str = "get",
) -> Any:
    headers = ({} if key is None else {"X-API-Key": key}) | (
        {"Authorization": f"Bearer {token}"} if token else {}
    )
    with override_settings(KEYWAY_BASE_URL=url):
        return getattr(caller, method)(address, headers=headers)


@pytest.mark.parametrize("address", ["/plain", "/async", "/rest"])
def test_verified_key_reaches_the_view(caller: Client, address: str) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        answer = ask(caller, server.url, address)
        [received] = server.received
    assert (answer.status_code, answer.json()["key"]) == (200, "key_1")
    forwarded = {
        name: received.headers[name]
        for name in ("x-api-key", "x-original-method", "x-original-uri", "x-forwarded-for")
    }
    assert forwarded == {
        "x-api-key": KEY,
        "x-original-method": "GET",
        "x-original-uri": address,
        "x-forwarded-for": "127.0.0.1",
    }


@pytest.mark.parametrize("address", ["/plain", "/async", "/rest"])
@pytest.mark.parametrize(
    ("status", "code", "headers"),
    [
        (401, "revoked_key", {"WWW-Authenticate": CHALLENGE}),
        (403, "ip_not_allowed", {}),
        (429, "rate_limited", {"Retry-After": "9"}),
        (503, "unavailable", {"Retry-After": "3"}),
    ],
)
def test_denial_is_relayed_to_the_caller(
    caller: Client, address: str, status: int, code: str, headers: dict[str, str]
) -> None:
    with ScriptedServer(denial(status, code, **headers)) as server:
        answer = ask(caller, server.url, address)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (status, code)
    assert {name: answer.headers[name] for name in headers} == headers
    assert KEY not in answer.content.decode()


@pytest.mark.parametrize("address", ["/plain", "/async", "/rest"])
def test_missing_key_is_401_with_a_challenge(caller: Client, address: str) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        answer = ask(caller, server.url, address, None)
        assert server.received == []
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == CHALLENGE


@pytest.mark.parametrize("address", ["/plain", "/async", "/rest"])
def test_access_token_is_accepted_but_not_beside_a_key(caller: Client, address: str) -> None:
    with ScriptedServer(Reply(204, b"", YES_TO_TOKEN)) as server:
        assert ask(caller, server.url, address, None, token=TOKEN).json()["key"] == "app_1"
        assert server.received[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert ask(caller, server.url, address, KEY, token=TOKEN).status_code == 400
        assert len(server.received) == 1


def test_other_bearer_tokens_reach_the_next_authentication(caller: Client) -> None:
    class Theirs(BaseAuthentication):
        def authenticate(self, request: Request) -> tuple[Any, str]:
            return KeyHolder(
                Identity(key_id="theirs", organization_id="", kind="", environment="")
            ), ""

    class Mixed(Reports):
        authentication_classes = [KeywayAuthentication, Theirs]
        permission_classes = [IsAuthenticated]

    with (
        ScriptedServer(Reply(204, b"", YES_TO_TOKEN)) as server,
        override_settings(KEYWAY_BASE_URL=server.url),
    ):
        for token, whose in (("eyJh.eyJz.c2ln", "theirs"), (TOKEN, "app_1")):
            request = RequestFactory().get("/", headers={"Authorization": f"Bearer {token}"})
            assert Mixed.as_view()(request).data == {"key": whose}
        assert len(server.received) == 1


def test_decorator_answers_an_uncacheable_problem(caller: Client) -> None:
    with ScriptedServer(denial(401, "expired_key")) as server:
        answer = ask(caller, server.url, "/plain")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"


def test_key_needs_no_csrf_token(caller: Client) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        assert ask(caller, server.url, "/plain", method="post").json()["method"] == "POST"


def test_decorator_sends_its_scope_to_keyway(caller: Client) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        ask(caller, server.url, "/plain")
        assert server.received[0].path == "/api/v1/verify?scope=read%3Aaudit-activity"


def test_key_without_the_scope_is_403_in_rest_framework(caller: Client) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        assert ask(caller, server.url, "/rest").status_code == 200
        refused = ask(caller, server.url, "/policies")
        assert (refused.status_code, ask(caller, server.url, "/policies", None).status_code) == (
            403,
            401,
        )
    assert "write:policies" in refused.json()["detail"]


def test_user_without_a_key_has_no_scope() -> None:
    class SessionRequest:
        auth = None
        user = KeyHolder

    permission = HasScope("read:audit-activity")
    assert not permission.has_permission(SessionRequest(), None)  # type: ignore[arg-type]


@pytest.mark.server
@pytest.mark.parametrize("address", ["/plain", "/async", "/rest"])
def test_with_keyway(caller: Client, keyway: KeywayServer, address: str) -> None:
    key = keyway.key(kind="public", environment="live")
    assert ask(caller, keyway.url, address, key["secret"]).json()["key"] == key["id"]
    assert ask(caller, keyway.url, address, key["secret"].swapcase()).status_code == 401
    token, application = keyway.access_token("read:audit-activity")
    assert ask(caller, keyway.url, address, None, token=token).json()["key"] == application
    assert (
        ask(
            caller, keyway.url, address, None, token=token.swapcase().replace("OAT", "oat")
        ).status_code
        == 401
    )
