"""Key management with the SDK, against a real Keyway."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import keyway as sdk
import pytest

from tests.clients.python.conftest import Connect
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def tokens(keyway: KeywayServer) -> dict[str, str]:
    """User tokens by name. Each user signs in once, because sign-ins are rate limited."""

    def token(name: str) -> str:
        user = keyway.user(name)
        answer = httpx2.post(
            f"{keyway.url}/api/v1/auth/login",
            json={"email": user["email"], "password": user["password"]},
        )
        return str(answer.raise_for_status().json()["access_token"])

    return {name: token(name) for name in ("alice", "bob", "mallory")}


@pytest.fixture
def bob(connect: Connect, keyway: KeywayServer, tokens: dict[str, str]) -> Any:
    return connect(keyway.url, token=tokens["bob"])


@pytest.fixture
def issued(bob: Any) -> Iterator[sdk.IssuedKey]:
    issued = bob.keys.create("SDK test", scopes=["read:audit-activity"])
    yield issued
    if bob.keys.get(issued).revoked_at is None:
        bob.keys.revoke(issued)


def test_issued_key_works_until_revoked(
    bob: Any, issued: sdk.IssuedKey, connect: Connect, keyway: KeywayServer
) -> None:
    holder = connect(keyway.url, api_key=issued.secret)
    assert holder.whoami().key_id == issued.id
    with sdk.Verifier(base_url=keyway.url) as verifier:
        assert verifier.verify(issued.secret).key_id == issued.id
        receipt = bob.keys.revoke(issued, reason="Done")
        assert receipt.id == issued.id
        with pytest.raises(sdk.Denied) as denied:
            verifier.verify(issued.secret)
        assert denied.value.code == "revoked_key"
    with pytest.raises(sdk.AuthenticationError) as refused:
        holder.whoami()
    assert refused.value.code == "revoked_key"
    with pytest.raises(sdk.Conflict) as again:
        bob.keys.revoke(issued)
    assert again.value.code == "already_revoked"


def test_issued_key_matches_the_request(bob: Any) -> None:
    order = {"description": "d", "environment": "test", "allowed_cidrs": ["192.0.2.0/24"]}
    key = bob.keys.create("Ordered", scopes=["read:audit-activity"], expires_in_days=None, **order)
    try:
        shown = bob.keys.get(key.id)
        assert (shown.name, shown.description, shown.environment, shown.expires_at) == (
            "Ordered",
            "d",
            "test",
            None,
        )
        assert (shown.allowed_cidrs, shown.scopes, shown.kind) == (
            ("192.0.2.0/24",),
            ("read:audit-activity",),
            "public",
        )
        changed = bob.keys.update(key, name="Renamed", allowed_cidrs=[])
        assert (changed.name, changed.description, changed.allowed_cidrs) == ("Renamed", "d", ())
    finally:
        bob.keys.revoke(key)


def test_idempotency_key_issues_one_key_and_one_secret(bob: Any) -> None:
    name = str(uuid.uuid4())
    first = bob.keys.create("Once", scopes=["read:audit-activity"], idempotency_key=name)
    again = bob.keys.create("Once", scopes=["read:audit-activity"], idempotency_key=name)
    assert (again.id, again.key) == (first.id, None)
    with pytest.raises(sdk.Conflict) as other:
        bob.keys.create("Other", scopes=["read:audit-activity"], idempotency_key=name)
    assert other.value.code == "idempotency_key_reused"
    bob.keys.revoke(first)


def test_rotated_key_has_a_new_secret(
    bob: Any, issued: sdk.IssuedKey, connect: Connect, keyway: KeywayServer
) -> None:
    kept = bob.keys.rotate(issued, grace=timedelta(hours=1))
    assert [secret.state for secret in kept.secrets] == ["pending", "live"]
    assert kept.lapses_at
    for secret in (issued.secret, kept.secret):
        assert connect(keyway.url, api_key=secret).whoami().key_id == issued.id
    bob.keys.rotate(issued)
    with pytest.raises(sdk.AuthenticationError):
        connect(keyway.url, api_key=kept.secret).whoami()


def test_keys_are_listed_over_pages(bob: Any) -> None:
    made = [bob.keys.create(f"Page {n}", scopes=["read:audit-activity"]) for n in range(3)]
    try:
        found = [key.id for key in bob.keys.list(q="Page", owner="me", limit=1)]
        assert set(found) >= {key.id for key in made}
        assert len(found) == len(set(found))
        assert bob.keys.usage(made[0]).key_name == "Page 0"
    finally:
        for key in made:
            bob.keys.revoke(key)


def test_errors_have_their_class(
    bob: Any, issued: sdk.IssuedKey, connect: Connect, keyway: KeywayServer, tokens: Any
) -> None:
    with pytest.raises(sdk.ValidationFailed) as invalid:
        bob.keys.create("", scopes=["read:audit-activity"])
    assert set(invalid.value.errors) == {"name"}
    mallory = connect(keyway.url, token=tokens["mallory"])
    with pytest.raises(sdk.NotFound):
        mallory.keys.get(issued.id)
    assert issued.id not in [key.id for key in mallory.keys.list()]
