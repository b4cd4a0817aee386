"""The verifier against a real Keyway."""

from typing import Any

import pytest
from keyway import Incoming, Secret

from tests.clients.python.conftest import Connect
from tests.clients.python.verdicts import refusal, with_token
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server


@pytest.fixture
def client(verifier: Connect, keyway: KeywayServer) -> Any:
    return verifier(keyway.url)


def test_valid_key_yields_its_owner(client: Any, keyway: KeywayServer) -> None:
    key = keyway.key(kind="public", environment="live")
    identity = client.verify(
        Secret(key["secret"]),
        scope="read:audit-activity",
        environment="live",
        organization="acme",
    )
    assert (identity.key_id, identity.organization_id) == (key["id"], key["organization"])
    assert identity.owner_id == key["owner"]
    assert identity.scopes == frozenset(key["scopes"])


def test_access_token_must_meet_each_requirement(client: Any, keyway: KeywayServer) -> None:
    token, application = keyway.access_token("read:audit-activity")
    identity = client.verify(
        with_token(token), scope="read:audit-activity", environment="live", organization="acme"
    )
    assert (identity.application_id, identity.key_id, identity.owner_id) == (
        application,
        None,
        None,
    )
    assert identity.scopes == {"read:audit-activity"}
    weak = refusal(client, with_token(token), scope="read:databases")
    assert (weak.code, weak.headers["WWW-Authenticate"]) == (
        "insufficient_scope", 'Bearer realm="Keyway", error="insufficient_scope"',
    )  # fmt: skip
    assert refusal(client, with_token(token, organization="globex")).code == "wrong_organization"
    wrong = refusal(client, with_token(f"{token[:-1]}{'0' if token[-1] != '0' else '1'}"))
    assert (wrong.status, wrong.headers["WWW-Authenticate"]) == (
        401,
        'Bearer realm="Keyway", error="invalid_token"',
    )


def test_key_must_meet_each_requirement(client: Any, keyway: KeywayServer) -> None:
    secret = keyway.key(kind="public", environment="live")["secret"]
    assert client.verify(secret)
    assert refusal(client, secret, scope="write:agent-events").code == "insufficient_scope"
    assert refusal(client, secret, environment="test").code == "wrong_environment"
    assert refusal(client, secret, organization="globex").code == "wrong_organization"
    assert refusal(client, Incoming(secret, organization="globex")).code == "wrong_organization"


def test_unknown_requirement_denies_everyone(client: Any, keyway: KeywayServer) -> None:
    secret = keyway.key(kind="public", environment="live")["secret"]
    assert refusal(client, secret, scope="read:typo").status == 503


def test_altered_key_and_two_keys_are_denied(client: Any, keyway: KeywayServer) -> None:
    secret = keyway.key(kind="public", environment="live")["secret"]
    assert refusal(client, secret.swapcase()).code == "invalid_key"
    assert refusal(client, f"{secret},{secret}").code == "several_credentials"
