"""nginx as docs/gateway.md configures it, between callers and a service that knows no keys."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.servers.echo import echo_server
from tests.servers.keyway import KeywayServer
from tests.servers.nginx import MISSING, NginxServer, find_nginx
from tests.servers.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
HOME = "127.0.0.2"
DEMANDS = "scope=read:audit-activity&environment=live"

pytestmark = [pytest.mark.server, pytest.mark.skipif(find_nginx() is None, reason=MISSING)]


def documented() -> str:
    found = re.search(
        r"^```nginx\n(.*?)^```",
        (ROOT / "docs" / "gateway.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    assert found
    return found[1]


def site(**addresses: int) -> str:
    """Return the documented configuration with other ports."""
    text = documented()
    for default, port in (("8000", "keyway"), ("9000", "service"), ("8080", "nginx")):
        assert text.count(f"127.0.0.1:{default};") == 1
        text = text.replace(f"127.0.0.1:{default};", f"127.0.0.1:{addresses[port]};")
    return text


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    with echo_server() as port:
        yield port


@pytest.fixture(scope="module")
def server() -> Iterator[KeywayServer]:
    with KeywayServer(KEYWAY_TRUSTED_PROXIES="1", KEYWAY_LIMIT_KEY="60/h") as running:
        yield running


@pytest.fixture
def front(server: KeywayServer, service: int) -> Iterator[str]:
    port = free_port()
    with NginxServer(site(keyway=server.port, service=service, nginx=port), port=port):
        yield f"http://127.0.0.1:{port}"


def secret_of(server: KeywayServer, **facts: Any) -> str:
    return str(server.key(**({"kind": "public", "environment": "live"} | facts))["secret"])


def issue(server: KeywayServer, *allowed: str) -> str:
    """Issue a key that a test may use up, for these networks or for all."""
    code = f"""
from django.utils import timezone
from apikeys import networks
from apikeys.models import Key
from apikeys.services import Order, issue_public_key
from audit.trail.actor import Actor
members = Key.objects.filter(owner__removed_at=None, owner__deactivated_at=None)
issued = issue_public_key(
    owner=members.filter(kind="public", revoked_at=None).first().owner,
    order=Order(name="Used up by a test", allowed=networks.parse({list(allowed)})),
    scopes=["read:audit-activity"],
    by=Actor.system("tests"),
)
print("SECRET", issued.plaintext.reveal())
"""
    return server.manage("shell", "-c", code).split("SECRET ")[1].strip()


def revoke(server: KeywayServer, key_id: str) -> None:
    code = f"""
from apikeys.models import Key
from apikeys.services import revoke
from audit.trail.actor import Actor
from config.lib.ids import decode
revoke(key=Key.objects.get(pk=decode("key", "{key_id}")), by=Actor.system("tests"))
"""
    server.manage("shell", "-c", code)


def values(answer: requests.Response, prefix: str) -> dict[str, list[str]]:
    """Return the headers that reached the service, by name, for names with this prefix."""
    found: dict[str, list[str]] = {}
    for name, value in answer.json()["headers"]:
        if name.startswith(prefix):
            found.setdefault(name, []).append(value)
    return found


def test_allowed_request_reaches_the_service_with_identity(
    front: str, server: KeywayServer
) -> None:
    secret = secret_of(server)
    answer = requests.post(
        f"{front}/orders?page=2", data="a body", headers={"X-API-Key": secret}, timeout=10
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["method"], body["path"], body["body"]) == ("POST", "/orders?page=2", "a body")
    direct = requests.get(
        f"{server.url}/api/v1/verify?{DEMANDS}", headers={"X-API-Key": secret}, timeout=10
    )
    expected = {
        name.lower(): [value]
        for name, value in direct.headers.items()
        if name.lower().startswith("x-keyway-")
    }
    assert len(expected) == 6
    assert values(answer, "x-keyway-") == expected
    assert secret not in answer.text


def test_spoofed_identity_headers_are_dropped(front: str, server: KeywayServer) -> None:
    spoofed = {
        "X-Keyway-Organization": "org_evil",
        "X-Keyway-Owner": "usr_evil",
        "x-keyway-scopes": "admin:evil",
        "X_Keyway_Key": "key_evil",
    }
    answer = requests.get(front, headers=spoofed | {"X-API-Key": secret_of(server)}, timeout=10)
    assert answer.status_code == 200
    assert "evil" not in answer.text


def test_unset_identity_header_arrives_empty(server: KeywayServer, service: int) -> None:
    """An agent key has no owner."""
    port = free_port()
    text = site(keyway=server.port, service=service, nginx=port).replace(
        DEMANDS, "environment=live"
    )
    with NginxServer(text, port=port):
        headers = {"X-API-Key": secret_of(server, kind="agent"), "X-Keyway-Owner": "usr_evil"}
        answer = requests.get(f"http://127.0.0.1:{port}/", headers=headers, timeout=10)
    assert answer.status_code == 200
    assert values(answer, "x-keyway-kind") == {"x-keyway-kind": ["agent"]}
    assert values(answer, "x-keyway-owner") == {}


def test_denial_keeps_status_code_and_challenge(front: str, server: KeywayServer) -> None:
    secret = secret_of(server)
    refusals = [
        ({}, 401, "missing_key"),
        ({"X-API-Key": f"{secret[:-1]}{'0' if secret[-1] != '0' else '1'}"}, 401, "invalid_key"),
        ({"X-API-Key": secret_of(server, kind="agent")}, 403, "insufficient_scope"),
    ]
    assert requests.get(front, headers={"X-API-Key": secret}, timeout=10).status_code == 200
    for headers, status, code in refusals:
        answer = requests.get(front, headers=headers, timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)


# Headers that a caller may send to appear to be elsewhere.
DISGUISES: tuple[dict[str, str], ...] = (
    {},
    {"X-Forwarded-For": HOME},
    {"X-Forwarded-For": f"{HOME}, {HOME}"},
    {"X_Forwarded_For": HOME},
    {
        "X-Real-IP": HOME,
        "Forwarded": f"for={HOME}",
        "X-Original-Forwarded-For": HOME,
        "X-Client-IP": HOME,
    },
)


@pytest.mark.parametrize("forwarded", ["$remote_addr", "$proxy_add_x_forwarded_for"])
def test_network_bound_key_ignores_forged_addresses(
    server: KeywayServer, service: int, forwarded: str
) -> None:
    port, secret = free_port(), issue(server, f"{HOME}/32")
    text = site(keyway=server.port, service=service, nginx=port)
    assert text.count("X-Forwarded-For   $remote_addr;") == 1
    with NginxServer(
        text.replace("X-Forwarded-For   $remote_addr;", f"X-Forwarded-For {forwarded};"), port=port
    ):
        for disguise in DISGUISES:
            headers = {"X-API-Key": secret, **disguise}
            assert ask_from(HOME, port, headers) == (200, None)
            assert ask_from("127.0.0.1", port, headers) == (403, "ip_not_allowed")
            elsewhere = {name: value.replace(HOME, "192.0.2.1") for name, value in headers.items()}
            assert ask_from(HOME, port, elsewhere) == (200, None)


def ask_from(address: str, port: int, headers: dict[str, str]) -> tuple[int, str | None]:
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=10, source_address=(address, 0)
    )
    connection.request("GET", "/", headers=headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body.get("code")


def test_access_token_identifies_its_application(front: str, server: KeywayServer) -> None:
    token, application = server.access_token("read:audit-activity")
    spoofed = {"X-Keyway-Application": "app_evil", "X-Keyway-Key": "key_evil"}
    answer = requests.get(front, headers=spoofed | {"Authorization": f"Bearer {token}"}, timeout=10)
    assert answer.status_code == 200, answer.text
    assert values(answer, "x-keyway-application") == {"x-keyway-application": [application]}
    assert values(answer, "x-keyway-key") == values(answer, "authorization") == {}
    with_a_key = requests.get(front, headers=spoofed | {"X-API-Key": secret_of(server)}, timeout=10)
    assert with_a_key.status_code == 200
    assert values(with_a_key, "x-keyway-application") == {}


def test_user_token_identifies_its_user(front: str, server: KeywayServer) -> None:
    bob = server.user("bob")
    sign_in = {"email": bob["email"], "password": bob["password"]}
    signed_in = requests.post(f"{server.url}/api/v1/auth/login", json=sign_in, timeout=10).json()
    token = {"Authorization": f"Bearer {signed_in['access_token']}"}
    spoofed = {"X-Keyway-Owner": "usr_evil", "X-Keyway-Key": "key_evil", "X-Keyway-Scopes": "admin"}
    answer = requests.get(front, headers=spoofed | token, timeout=10)
    assert answer.status_code == 200, answer.text
    [owner] = values(answer, "x-keyway-owner")["x-keyway-owner"]
    whoami = requests.get(f"{server.url}/api/v1/whoami", headers=token, timeout=10).json()
    assert (owner, whoami["owner"]["email"]) == (whoami["owner"]["id"], bob["email"])
    assert "admin" not in values(answer, "x-keyway-scopes")["x-keyway-scopes"][0].split()
    assert values(answer, "x-keyway-key") == values(answer, "authorization") == {}
    # Test data is for those who ask for it, and this service demands live credentials.
    test = requests.get(front, headers=token | {"X-Keyway-Environment": "test"}, timeout=10)
    assert (test.status_code, test.json()["code"]) == (403, "wrong_environment")


def test_revoked_key_is_refused_at_once(front: str, server: KeywayServer) -> None:
    headers = {"X-API-Key": issue(server)}
    for _ in range(20):  # both workers hold a lease
        allowed = requests.get(front, headers=headers, timeout=10)
        assert allowed.status_code == 200
    revoke(server, values(allowed, "x-keyway-key")["x-keyway-key"][0])
    for _ in range(20):
        refused = requests.get(front, headers=headers, timeout=10)
        assert (refused.status_code, refused.json()["code"]) == (401, "revoked_key")


def test_limited_key_gets_retry_after(front: str, server: KeywayServer) -> None:
    headers = {"X-API-Key": issue(server)}
    answers = [requests.get(front, headers=headers, timeout=10) for _ in range(80)]
    assert 30 <= [answer.status_code for answer in answers].count(200) <= 60
    # Two processes count apart, each half of the limit: the last request may go to one that has
    # some left, but of eighty at least twenty are refused.
    for refused in (answer for answer in answers if answer.status_code != 200):
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert re.match(
            rf'"key";r=0;t={refused.headers["Retry-After"]}, ', refused.headers["RateLimit"]
        )
        assert refused.headers["RateLimit-Policy"].startswith('"key";q=30;w=3600')


def test_mistyped_demand_lets_no_key_through(server: KeywayServer, service: int) -> None:
    port = free_port()
    text = site(keyway=server.port, service=service, nginx=port).replace("?scope=", "?scop=")
    with NginxServer(text, port=port):
        answer = requests.get(
            f"http://127.0.0.1:{port}/", headers={"X-API-Key": secret_of(server)}, timeout=10
        )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")


def test_subrequest_location_is_internal(front: str, server: KeywayServer) -> None:
    answer = requests.get(
        f"{front}/keyway-verify", headers={"X-API-Key": secret_of(server)}, timeout=10
    )
    assert answer.status_code == 404


def test_service_errors_pass_through(front: str, server: KeywayServer) -> None:
    answer = requests.request("BREW", front, headers={"X-API-Key": secret_of(server)}, timeout=10)
    assert answer.status_code == 501


def test_keyway_outage_lets_nothing_through(server: KeywayServer, service: int) -> None:
    port = free_port()
    headers = {"X-API-Key": secret_of(server)}
    with NginxServer(site(keyway=server.port, service=service, nginx=port), port=port):
        assert (
            requests.get(f"http://127.0.0.1:{port}/", headers=headers, timeout=10).status_code
            == 200
        )
        server.stop()
        try:
            for _ in range(3):
                refused = requests.get(f"http://127.0.0.1:{port}/", headers=headers, timeout=10)
                assert (refused.status_code, json.loads(refused.text)["code"]) == (
                    503,
                    "unavailable",
                )
        finally:
            server.start()
        allowed = [
            requests.get(f"http://127.0.0.1:{port}/", headers=headers, timeout=10) for _ in range(3)
        ]
        assert allowed[-1].status_code == 200
