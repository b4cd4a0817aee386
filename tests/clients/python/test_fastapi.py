"""The FastAPI adapter."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from keyway import AsyncVerifier, Identity

from tests.clients.python.conftest import KEY
from tests.clients.python.scripted import Reply, ScriptedServer
from tests.clients.python.verdicts import TOKEN, YES, YES_TO_TOKEN, denial
from tests.servers.keyway import KeywayServer

fastapi = pytest.importorskip("fastapi")
adapter = pytest.importorskip("keyway.fastapi")

Ask = Any


def application(url: str) -> Any:
    app = fastapi.FastAPI()
    reader = adapter.RequireKey(AsyncVerifier(base_url=url), scope="read:audit-activity")

    async def reports(
        number: int, identity: Annotated[Identity, fastapi.Depends(reader)]
    ) -> dict[str, Any]:
        return {"number": number, "key": identity.key_id or identity.application_id}

    app.get("/reports/{number}")(reports)
    return app


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Call an application: ``ask(app, "/reports/7", [("X-API-Key", …)])``."""
    with start_blocking_portal() as portal:

        async def call(app: Any, address: str, headers: Any) -> httpx2.Response:
            transport = httpx2.ASGITransport(app, client=("192.0.2.7", 1234))
            async with httpx2.AsyncClient(
                transport=transport, base_url="http://service.example"
            ) as http:
                return await http.get(address, headers=headers)

        yield lambda app, address, headers: portal.call(partial(call, app, address, headers))


def test_verified_key_reaches_the_view(ask: Ask) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        answer = ask(
            application(server.url),
            "/reports/7?token=x",
            {"X-API-Key": KEY, "X-Organization-Id": "acme"},
        )
        [received] = server.received
    assert answer.json() == {"number": 7, "key": "key_1"}
    assert received.path == "/api/v1/verify?scope=read%3Aaudit-activity"
    forwarded = {name: value for name, value in received.headers.items() if name.startswith("x-")}
    assert forwarded == {
        "x-api-key": KEY,
        "x-original-method": "GET",
        "x-original-uri": "/reports/7",
        "x-forwarded-for": "192.0.2.7",
        "x-organization-id": "acme",
    }


@pytest.mark.parametrize("as_problem", [False, True], ids=["FastAPI's format", "problem"])
def test_denial_is_relayed_to_the_caller(ask: Ask, as_problem: bool) -> None:
    with ScriptedServer(denial(429, "rate_limited", **{"Retry-After": "9"})) as server:
        app = application(server.url)
        if as_problem:
            adapter.answer_problems(app)
        answer = ask(app, "/reports/7", {"X-API-Key": KEY})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "9")
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json() if as_problem else answer.json()["detail"]
    assert body["code"] == "rate_limited"
    assert answer.headers["Content-Type"].startswith("application/problem+json") is as_problem


def test_missing_key_is_401_with_a_challenge(ask: Ask) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        answer = ask(application(server.url), "/reports/7", {})
        assert server.received == []
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (
        401,
        'ApiKey realm="Keyway"',
    )


def test_repeated_key_headers_are_forwarded_together(ask: Ask) -> None:
    with ScriptedServer(denial(400, "several_credentials")) as server:
        answer = ask(
            application(server.url), "/reports/7", [("X-API-Key", KEY), ("X-API-Key", "sk_live_2")]
        )
        assert server.received[0].headers["x-api-key"] == f"{KEY},sk_live_2"
    assert answer.status_code == 400


def test_access_token_is_accepted_but_not_beside_a_key(ask: Ask) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with ScriptedServer(Reply(204, b"", YES_TO_TOKEN)) as server:
        app = application(server.url)
        assert ask(app, "/reports/7", bearer).json()["key"] == "app_1"
        assert server.received[0].headers["authorization"] == f"Bearer {TOKEN}"
        for both in ([*bearer.items(), ("X-API-Key", KEY)], [*bearer.items(), *bearer.items()]):
            assert ask(app, "/reports/7", both).status_code == 400
        assert len(server.received) == 1


def test_openapi_lists_key_and_token_as_alternatives(ask: Ask) -> None:
    schema = application("https://keyway.example").openapi()
    schemes = schema["components"]["securitySchemes"]
    assert schemes["KeywayKey"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert (schemes["KeywayToken"]["type"], schemes["KeywayToken"]["scheme"]) == ("http", "bearer")
    security = schema["paths"]["/reports/{number}"]["get"]["security"]
    assert sorted(security, key=str) == [{"KeywayKey": []}, {"KeywayToken": []}]
    assert [
        parameter["name"] for parameter in schema["paths"]["/reports/{number}"]["get"]["parameters"]
    ] == ["number"]


@pytest.mark.server
def test_with_keyway(ask: Ask, keyway: KeywayServer) -> None:
    key = keyway.key(kind="public", environment="live")
    app = application(keyway.url)
    assert ask(app, "/reports/7", {"X-API-Key": key["secret"]}).json()["key"] == key["id"]
    assert ask(app, "/reports/7", {"X-API-Key": key["secret"].swapcase()}).status_code == 401
    token, owner = keyway.access_token("read:audit-activity")
    assert ask(app, "/reports/7", {"Authorization": f"Bearer {token}"}).json()["key"] == owner
    weak, _ = keyway.access_token("read:databases")
    assert ask(app, "/reports/7", {"Authorization": f"Bearer {weak}"}).status_code == 403
