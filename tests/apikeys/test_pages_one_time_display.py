"""A secret appears in exactly one response, and one form creates one key."""

import json
import threading
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.signing import TimestampSigner
from django.db import DatabaseError, connection, connections
from django.test import Client

from apikeys.models import Key
from apikeys.verify import hashing
from apikeys.views import forms
from audit.models import TrailEntry
from audit.trail import entries
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import Role
from tests.conftest import SYSTEM, client_of
from tests.pages import nonce_of, secret_of

pytestmark = pytest.mark.django_db
PUBLIC = "/profile/api-keys/new/"
AGENT = "/o/acme/agents/api-keys/new/"
LISTS = {PUBLIC: "/profile/?status=all", AGENT: "/o/acme/agents/api-keys/?status=all"}
both_kinds = pytest.mark.parametrize("address", [PUBLIC, AGENT], ids=["public", "agent"])


def filled(client: Client, address: str, **changes: Any) -> dict[str, Any]:
    nonce = nonce_of(client.get(address))
    common = {"name": "One of a kind", "environment": "live", "nonce": nonce}
    return (
        common
        | ({"scopes": "read:audit-activity", "expires": "90"} if address == PUBLIC else {})
        | changes
    )


def windows(secret: str) -> set[str]:
    """Return every run of 12 characters after the prefix, which every mask shows anyway."""
    body = secret.split("_", 2)[2]
    return {body[i : i + 12] for i in range(len(body) - 11)}


@both_kinds
def test_secret_is_in_one_response_only(alice: User, address: str) -> None:
    client = client_of(alice)
    data = filled(client, address)
    response = client.post(address, data)
    pieces = windows(secret_of(response))
    key = Key.objects.get()
    others = [
        client.post(address, data),
        client.get(address),
        client.head(address),
        client.get(LISTS[address]),
        client.get(f"/keys/{key.public_id}/revoke/"),
        client.get(f"/o/acme/agents/api-keys/{key.public_id}/delete/"),
        client.get("/o/acme/"),
        client.get("/o/acme/audit-log/"),
        client.get("/o/acme/audit-log/?format=csv"),
    ]
    seen = [other.getvalue().decode() for other in others]
    seen += [json.dumps(row.get_decoded()) for row in Session.objects.all()]
    seen += list(TrailEntry.objects.values_list("body", flat=True))
    seen += [repr(vars(key)), *(repr(vars(secret)) for secret in key.secrets.all())]
    seen += [
        str(client.cookies),
        response["Content-Security-Policy"],
        repr(response.context["plaintext"]),
    ]
    for text in seen:
        assert not any(piece in text for piece in pieces)


@both_kinds
def test_reveal_is_not_cached_or_sent_as_referrer(alice: User, address: str) -> None:
    client = client_of(alice)
    response = client.post(address, filled(client, address))
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"] == "no-referrer"
    assert "Location" not in response


@both_kinds
def test_revealed_field_is_not_submitted(alice: User, address: str) -> None:
    client = client_of(alice)
    html = client.post(address, filled(client, address)).content.decode()
    field = html[html.index('<input id="secret"') :].split(">", 1)[0]
    assert "readonly" in field
    assert "data-secret" in field
    assert 'autocomplete="off"' in field
    assert "name=" not in field
    assert html.index('<input id="secret"') < html.index("data-reveal-done")


@both_kinds
def test_resubmitted_form_creates_no_second_key(alice: User, address: str) -> None:
    client = client_of(alice)
    data = filled(client, address)
    client.post(address, data)
    key = Key.objects.get()
    for again in (data, data | {"name": "Another label"}):
        response = client.post(address, again)
        html = response.content.decode()
        assert response.status_code == 409
        assert "Already created" in html
        assert key.mask in html
        assert f'href="{address}"' in html
    assert Key.objects.get() == key


@both_kinds
def test_corrected_form_keeps_its_nonce(alice: User, address: str) -> None:
    client = client_of(alice)
    data = filled(client, address)
    refused = client.post(address, data | {"name": ""})
    assert refused.status_code == 422
    assert nonce_of(refused) == data["nonce"]
    assert client.post(address, data).status_code == 200
    assert client.post(address, data | {"nonce": nonce_of(refused)}).status_code == 409


@both_kinds
def test_foreign_or_forged_nonce_is_refused(
    alice: User, bob: User, acme: Organization, address: str
) -> None:
    client = client_of(alice)
    data = filled(client, address)
    bobs = forms.new_nonce(bob)
    unsigned = data["nonce"].split(":", maxsplit=1)[0]
    elsewhere = TimestampSigner(salt="something else").sign(unsigned)
    for nonce in ("", "x", unsigned, bobs, elsewhere, f"{data['nonce']}x", "\0"):
        response = client.post(address, data | {"nonce": nonce})
        assert response.status_code == 422
        assert forms.STALE_FORM in response.content.decode()
        assert nonce_of(response) != nonce
    assert not Key.objects.exists()
    del data["nonce"]
    response = client.post(address, data)
    assert response.status_code == 422
    assert client.post(address, data | {"nonce": nonce_of(response)}).status_code == 200


@both_kinds
def test_expired_form_gets_a_fresh_nonce(
    alice: User, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(alice)
    data = filled(client, address)
    with monkeypatch.context() as patched:
        patched.setattr(forms, "NONCE_LIFETIME", -forms.NONCE_LIFETIME)
        assert client.post(address, data).status_code == 422
    assert not Key.objects.exists()
    assert client.post(address, data).status_code == 200


@both_kinds
def test_two_forms_create_two_keys(alice: User, address: str) -> None:
    client = client_of(alice)
    one, other = filled(client, address), filled(client, address, name="Another")
    assert secret_of(client.post(address, one)) != secret_of(client.post(address, other))
    assert Key.objects.count() == 2


@both_kinds
def test_form_works_again_after_a_503(
    alice: User, address: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEYWAY_HASH_WAIT_MS = 20
    client = client_of(alice)
    client.raise_request_exception = False
    data = filled(client, address)
    with monkeypatch.context() as patched:
        patched.setattr(hashing, "pool", hashing._Pool(1))
        with hashing.pool:
            busy = client.post(address, data)
    with monkeypatch.context() as patched:
        patched.setattr(
            entries, "_append", lambda *facts: (_ for _ in ()).throw(DatabaseError("no space left"))
        )
        untrailed = client.post(address, data)
    for refused in (busy, untrailed):
        assert (refused.status_code, refused["Retry-After"]) == (503, "2")
    assert not Key.objects.exists()
    assert client.post(address, data).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="the SQLite of these tests is one connection in memory",
)
def test_concurrent_submits_create_one_key(acme: Organization, alice: User) -> None:
    tenants.add_member(
        organization=acme,
        user=User.objects.create_user("dora@acme.example"),
        role=Role.OWNER,
        by=SYSTEM,
    )
    browsers = [client_of(alice) for _ in range(4)]
    data = filled(browsers[0], PUBLIC)
    barrier = threading.Barrier(len(browsers))
    statuses: list[int] = []

    def send(browser: Client) -> None:
        barrier.wait()
        statuses.append(browser.post(PUBLIC, data).status_code)
        connections.close_all()

    threads = [threading.Thread(target=send, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409, 409, 409]
    assert Key.objects.count() == 1
    assert connection.vendor == "postgresql"
