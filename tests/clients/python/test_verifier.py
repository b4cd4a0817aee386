"""A service verifies each presented key with Keyway. Any answer but Keyway's 204 denies."""

import socket
import time
from typing import Any

import pytest
from keyway import Incoming

from tests.clients.python.conftest import KEY, Connect
from tests.clients.python.scripted import HangUp, Reply, ScriptedServer, ok, problem
from tests.clients.python.verdicts import TOKEN, YES, YES_TO_TOKEN, denial, refusal, with_token
from tests.servers.ports import free_port


def test_204_yields_an_identity(verifier: Connect) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        identity = verifier(server.url).verify(KEY)
    assert (identity.key_id, identity.organization_id, identity.owner_id) == (
        "key_1",
        "org_1",
        "usr_1",
    )
    assert (identity.kind, identity.environment) == ("public", "live")
    assert identity.has_scope("read:reports")
    assert not identity.has_scope("write:policies")


def test_access_token_is_forwarded_and_yields_its_application(verifier: Connect) -> None:
    with ScriptedServer(Reply(204, b"", YES_TO_TOKEN)) as server:
        identity = verifier(server.url).verify(with_token(TOKEN))
        [received] = server.received
    assert (identity.application_id, identity.key_id, identity.owner_id) == ("app_1", None, "usr_1")
    assert received.headers["authorization"] == f"Bearer {TOKEN}"
    assert "x-api-key" not in received.headers


def test_key_beside_a_token_is_denied_without_a_request(verifier: Connect) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        client = verifier(server.url)
        assert client.verify(Incoming(KEY)).key_id
        server.received.clear()
        for both in (
            with_token(TOKEN, key=KEY),
            with_token(TOKEN, key=""),
            with_token(f"{TOKEN},Bearer {TOKEN}"),
        ):
            denied = refusal(client, both)
            assert (denied.status, denied.code) == (400, "several_credentials")
        assert server.received == []


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic b2F0Og==",
        "Bearer eyJh.eyJz.c2ln",
        "Bearer another-services-token",
        f"Token {TOKEN}",
        f"Bearer x,Bearer {TOKEN}",
        "Bearer",
        "",
    ],
)
def test_foreign_authorization_is_not_forwarded(verifier: Connect, authorization: str) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        client = verifier(server.url)
        assert refusal(client, Incoming(authorization=authorization)).code == "missing_key"
        assert server.received == []
        assert client.verify(Incoming(KEY, authorization=authorization)).key_id == "key_1"
        assert "authorization" not in server.received[0].headers


@pytest.mark.parametrize(
    "token", ["oat_ä", "oat_a b", "oat_a\r\nX-API-Key: b", "oat_" + "x" * 5000]
)
def test_malformed_token_is_denied_without_a_request(verifier: Connect, token: str) -> None:
    with ScriptedServer(Reply(204, b"", YES_TO_TOKEN)) as server:
        denied = refusal(verifier(server.url), with_token(token))
        assert server.received == []
    assert (denied.status, denied.code) == (401, "invalid_token")
    assert denied.headers["WWW-Authenticate"] == 'Bearer realm="Keyway", error="invalid_token"'


def test_token_is_hidden_everywhere(verifier: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "keyway")
    assert TOKEN not in repr(with_token(TOKEN))
    with ScriptedServer(
        problem(401, "revoked_key", TOKEN, headers={"X-Keyway-Denial": "revoked_key"}), HangUp()
    ) as server:
        for _ in range(2):
            denied = refusal(verifier(server.url), with_token(TOKEN))
            assert TOKEN not in f"{denied} {denied.body!r} {caplog.text}"


def test_admin_covers_every_scope(verifier: Connect) -> None:
    with ScriptedServer(Reply(204, b"", YES | {"X-Keyway-Scopes": "admin"})) as server:
        assert verifier(server.url).verify(KEY).has_scope("write:policies")


def test_requirements_and_request_are_forwarded_without_query(verifier: Connect) -> None:
    incoming = Incoming(
        key=KEY,
        method="PUT",
        uri="/reports/7?token=x",
        client_ip="192.0.2.7",
        organization="acme",
        user_agent="curl/8\r\nX: 1",
    )
    with ScriptedServer(Reply(204, b"", YES)) as server:
        verifier(server.url).verify(
            incoming, scope="read:reports", environment="live", organization="acme&scope="
        )
        [received] = server.received
    assert (
        received.path
        == "/api/v1/verify?scope=read%3Areports&environment=live&organization=acme%26scope%3D"
    )
    forwarded = {
        name: value
        for name, value in received.headers.items()
        if name.startswith("x-") or name == "user-agent"
    }
    assert forwarded == {
        "x-api-key": KEY,
        "x-original-method": "PUT",
        "x-original-uri": "/reports/7",
        "x-forwarded-for": "192.0.2.7",
        "x-organization-id": "acme",
        "user-agent": "curl/8??X: 1",
    }


REFUSALS = [
    (401, "revoked_key", {"WWW-Authenticate": 'ApiKey realm="Keyway"'}),
    (403, "insufficient_scope", {}),
    (
        429,
        "rate_limited",
        {"Retry-After": "9", "RateLimit": '"key";r=0;t=9', "RateLimit-Policy": '"key";q=5;w=60'},
    ),
    (400, "several_credentials", {}),
]


@pytest.mark.parametrize(
    ("status", "code", "headers"), REFUSALS, ids=[code for _, code, _ in REFUSALS]
)
def test_keyways_denial_is_relayed(
    verifier: Connect, status: int, code: str, headers: dict[str, str]
) -> None:
    with ScriptedServer(denial(status, code, **headers, **{"Set-Cookie": "a=b"})) as server:
        denied = refusal(verifier(server.url), KEY)
        assert len(server.received) == 1
    assert (denied.status, denied.code, denied.problem["code"]) == (status, code, code)
    assert denied.headers == {"Cache-Control": "no-store", **headers}


NOT_A_204 = {
    "200": ok({}),
    "204 without headers": Reply(204, b""),
    "204 without key or application": Reply(
        204, b"", {k: v for k, v in YES.items() if k != "X-Keyway-Key"}
    ),
    "204 with both": Reply(204, b"", YES | {"X-Keyway-Application": "app_1"}),
    "204 without organization": Reply(
        204, b"", {k: v for k, v in YES.items() if k != "X-Keyway-Organization"}
    ),
    "304": Reply(304, b"", YES),
    "a redirect": Reply(302, b"", YES | {"Location": "/"}),
    "a proxy's 401": Reply(401, b"<html>", {"Content-Type": "text/html"}),
    "a 403 without the denial's header": problem(403, "insufficient_scope"),
    "404": problem(404, "not_found"),
    "the service's own mistake": denial(400, "invalid_parameter"),
    "500": denial(500, "internal_error"),
    "503": denial(503, "unavailable"),
    "502": Reply(502, b"<html>"),
    "hang-up": HangUp(),
}


@pytest.mark.parametrize("reply", NOT_A_204.values(), ids=NOT_A_204)
def test_any_other_answer_denies_with_503(verifier: Connect, reply: Any) -> None:
    with ScriptedServer(reply) as server:
        denied = refusal(verifier(server.url), KEY)
    assert (denied.status, denied.code) == (503, "unavailable")
    assert denied.headers == {"Cache-Control": "no-store", "Retry-After": "1"}


def test_unreachable_keyway_denies(verifier: Connect) -> None:
    assert refusal(verifier(f"http://127.0.0.1:{free_port()}"), KEY).status == 503


def test_timeout_denies_without_a_second_attempt(
    verifier: Connect,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert (
            refusal(
                verifier(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1), KEY
            ).status
            == 503
        )
        assert time.monotonic() - began < 30


def test_closed_connection_is_replaced(verifier: Connect) -> None:
    with ScriptedServer(HangUp(), Reply(204, b"", YES)) as server:
        assert verifier(server.url).verify(KEY).key_id == "key_1"


def test_connections_are_reused(verifier: Connect) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        client = verifier(server.url)
        for _ in range(5):
            client.verify(KEY)
        assert len({received.port for received in server.received}) == 1


def test_verifier_caches_nothing(verifier: Connect) -> None:
    with ScriptedServer(Reply(204, b"", YES), denial(401, "revoked_key")) as server:
        client = verifier(server.url)
        assert client.verify(KEY)
        assert refusal(client, KEY).code == "revoked_key"


@pytest.mark.parametrize(
    "key", ["", " ", "sk live", "sk_live_ä", "a\r\nX-Keyway-Key: b", "a\x00", "\udcff", "x" * 5000]
)
def test_malformed_key_is_denied_without_a_request(verifier: Connect, key: str) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        denied = refusal(verifier(server.url), key)
        assert server.received == []
    assert (denied.status, denied.code) == (401, "invalid_key")
    assert "WWW-Authenticate" in denied.headers


def test_missing_key_is_denied_without_a_request(verifier: Connect) -> None:
    with ScriptedServer(Reply(204, b"", YES)) as server:
        assert refusal(verifier(server.url), None).code == "missing_key"
        assert server.received == []
