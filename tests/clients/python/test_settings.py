"""Settings from arguments and environment. No credential is sent in clear text by accident."""

from typing import Any

import pytest
from keyway import AsyncClient, AsyncVerifier, Client, Misconfigured, Secret, Verifier

from tests.clients.python.conftest import KEY, Connect
from tests.clients.python.scripted import ScriptedServer, ok

WHOAMI: dict[str, Any] = {"organization": None, "scopes": []}


def test_client_reads_key_and_server_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer(ok(WHOAMI)) as server:
        monkeypatch.setenv("KEYWAY_API_KEY", KEY)
        monkeypatch.setenv("KEYWAY_BASE_URL", server.url + "/")
        with Client() as client:
            client.whoami()
        [received] = server.received
    assert (received.path, received.headers["x-api-key"]) == ("/api/v1/whoami", KEY)


def test_arguments_override_the_environment(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setenv("KEYWAY_API_KEY", "sk_live_other")
    monkeypatch.setenv("KEYWAY_BASE_URL", "https://elsewhere.example")
    with ScriptedServer(ok(WHOAMI)) as server:
        connect(server.url, api_key=Secret(KEY)).whoami()
        assert server.received[0].headers["x-api-key"] == KEY


def test_token_is_sent_in_authorization_without_a_key(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setenv("KEYWAY_API_KEY", KEY)
    with ScriptedServer(ok(WHOAMI)) as server:
        connect(server.url, token="eyJ.a.b").whoami()
        headers = server.received[0].headers
    assert headers["authorization"] == "Bearer eyJ.a.b"
    assert "x-api-key" not in headers


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_missing_settings_are_named(kind: type[Client], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match="KEYWAY_API_KEY"):
        kind(base_url="https://keyway.example")
    with pytest.raises(Misconfigured, match="KEYWAY_BASE_URL"):
        kind(api_key=KEY)
    with pytest.raises(Misconfigured, match="not both"):
        kind(api_key=KEY, token="t", base_url="https://keyway.example")


@pytest.mark.parametrize(
    "key", ["", "  ", "sk_live_a b", "sk_live_ä", "sk_live_\r\nX-Evil: 1", "sk_live_\x00"]
)
def test_malformed_key_is_refused_without_being_quoted(key: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        Client(api_key=key, base_url="https://keyway.example")
    assert "sk_live" not in str(refused.value)


WRONG = [
    "keyway.example",
    "ftp://keyway.example",
    "https://",
    "https://keyway.example:0",
    "https://keyway.example:port",
    "https://user:hunter2@keyway.example",
    "https://keyway.example/?a=hunter2",
    "https://keyway.example/#hunter2",
    "https://keyway.example/\r\nhunter2",
    "https://[::1",
    "http://keyway.example",
    "http://127.0.0.1.keyway.example",
    "http://localhost.keyway.example",
]


@pytest.mark.parametrize("url", WRONG)
def test_other_urls_are_refused(url: str) -> None:
    for make in (lambda: Client(api_key=KEY, base_url=url), lambda: Verifier(base_url=url)):
        with pytest.raises(Misconfigured) as refused:
            make()
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://keyway.example/under/",
        "http://localhost:8000",
        "http://127.3.2.1",
        "http://[::1]:8000",
    ],
)
def test_https_and_loopback_are_accepted(url: str) -> None:
    Client(api_key=KEY, base_url=url).close()
    Verifier(base_url=url).close()


def test_plain_http_is_allowed_on_request() -> None:
    for kind in (Client, AsyncClient):
        kind(api_key=KEY, base_url="http://keyway.internal", allow_plain_http=True)
    for verifier in (Verifier, AsyncVerifier):
        verifier(base_url="http://keyway.internal", allow_plain_http=True)


def test_loopback_requests_bypass_environment_proxies(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    with ScriptedServer(ok(WHOAMI)) as proxy, ScriptedServer(ok(WHOAMI)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        connect(server.url).whoami()
        assert proxy.received == []
        assert len(server.received) == 1
