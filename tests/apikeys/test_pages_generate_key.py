"""Settings → API Keys → Generate New Key and Create API Key."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.models import Key
from apikeys.verify.judge import Credential, verify
from tenants.models import Organization, User
from tenants.roles import Role
from tests.conftest import client_of, join
from tests.pages import nonce_of, secret_of

pytestmark = pytest.mark.django_db
LIST = "/o/acme/settings/api-keys/"
NEW = f"{LIST}new/"


def shown(client: Client, page: str = NEW, **typed: Any) -> dict[str, Any]:
    """Return what the browser submits: the form as it is shown, with what is typed into it."""
    html = client.get(page).content.decode()
    ticked = re.findall(r'name="(scopes|owner|environment)" value="([^"]+)"[^>]* checked', html)
    fields: dict[str, Any] = {name: value for name, value in ticked if name != "scopes"}
    fields["scopes"] = [value for name, value in ticked if name == "scopes"]
    selected = re.search(r'<option value="(\w+)" selected>', html)
    assert selected
    return fields | {"expires": selected[1], "nonce": nonce_of(client.get(page))} | typed


def test_document_s_three_fields_make_a_key_of_the_organization(
    alice: User, acme: Organization, stopped_clock: Any
) -> None:
    client = client_of(alice)
    typed = {"name": "Production Backend", "description": "Main production service API access"}
    answer = client.post(NEW, shown(client, **typed))
    key = Key.objects.get()
    assert (key.name, key.description) == tuple(typed.values())
    assert key.is_organization_key
    assert (key.organization, key.created_by) == (acme, alice)
    assert key.scopes == ["read:audit-activity"]
    assert key.expires_at
    assert (timezone.localdate(key.expires_at) - timezone.localdate()).days == 90
    assert isinstance(verify(secret_of(answer), now=timezone.now()), Credential)
    html = answer.content.decode()
    assert "I&#x27;ve Saved My Key" in html or "I've Saved My Key" in html
    assert f'action="{LIST}"' in html
    after = client.get(f"{LIST}?new={key.public_id}").content.decode()
    assert "Created Production Backend." in after
    assert 'class="new-row"' in after


def test_expirations_are_those_of_the_document(alice: User) -> None:
    html = client_of(alice).get(NEW).content.decode()
    offered = re.search(r'<select name="expires".*?</select>', html, re.DOTALL)
    assert offered
    assert re.findall(r">([^<\n]+)</option>", offered[0]) == [
        "Never expires", "30 days", "60 days", "90 days (recommended)", "180 days", "365 days",
        "On a date",
    ]  # fmt: skip


def test_admin_chooses_whose_key_it_is(alice: User) -> None:
    client = client_of(alice)
    form = shown(client, f"{NEW}?owner=me", name="Mine")
    assert form["owner"] == "me"
    client.post(NEW, form)
    client.post("/profile/api-keys/new/", shown(client, name="Shared", owner="organization"))
    owners = {key.name: key.owner_name for key in Key.objects.all()}
    assert owners == {"Mine": "Alice", "Shared": "Acme"}


def test_member_creates_own_keys_only(bob: User, carol: User) -> None:
    client = client_of(bob)
    assert 'name="owner"' not in client.get(NEW).content.decode()
    client.post(NEW, shown(client, name="Forced", owner="organization"))
    assert Key.objects.get().owner_name == "Bob"
    assert client_of(carol).get(NEW).status_code == 403


def test_organization_key_never_has_admin(acme: Organization) -> None:
    client = client_of(join(acme, "olivia", Role.OWNER))
    answer = client.post(NEW, shown(client, name="All", scopes=["admin"]))
    assert answer.status_code == 422
    assert "not available to keys of the organization" in answer.content.decode()
    assert (
        client.post(NEW, shown(client, name="All", scopes=["admin"], owner="me")).status_code == 200
    )


def test_networks_bind_the_key(alice: User) -> None:
    client = client_of(alice)
    bad = client.post(NEW, shown(client, name="Bound", networks="192.0.2.0/24\nnowhere"))
    assert bad.status_code == 422
    assert 'class="disclosure" open' in bad.content.decode()
    client.post(NEW, shown(client, name="Bound", networks="192.0.2.0/24\n2001:db8::/32"))
    assert Key.objects.get().allowed_cidrs == ["192.0.2.0/24", "2001:db8::/32"]


@pytest.mark.parametrize("page", [NEW, "/profile/api-keys/new/", "/o/acme/agents/api-keys/new/"])
def test_same_name_twice_needs_a_second_yes(alice: User, page: str) -> None:
    client = client_of(alice)
    assert client.post(page, shown(client, page, name="CSV export")).status_code == 200
    again = shown(client, page, name="CSV export")
    refused = client.post(page, again)
    assert refused.status_code == 422
    assert "An active key already has this name" in refused.content.decode()
    assert 'name="again" value="CSV export"' in refused.content.decode()
    assert client.post(page, again | {"name": "Another", "again": "CSV export"}).status_code == 200
    again = shown(client, page, name="CSV export", again="CSV export")
    assert client.post(page, again).status_code == 200
    assert Key.objects.filter(name="CSV export").count() == 2


def test_resubmitted_form_is_no_duplicate(alice: User) -> None:
    client = client_of(alice)
    form = shown(client, name="Once")
    assert [client.post(NEW, form).status_code for _ in range(2)] == [200, 409]


def test_missing_name_is_named(alice: User) -> None:
    client = client_of(alice)
    answer = client.post(NEW, shown(client, name=""))
    assert answer.status_code == 422
    assert answer.context["form"].errors["name"] == ["Enter a name."]


def test_agent_keys_have_the_same_presets(alice: User, stopped_clock: Any) -> None:
    client, page = client_of(alice), "/o/acme/agents/api-keys/new/"
    form = shown(client, page, name="SQL 01")
    assert form["expires"] == "never"
    assert "A key that never expires" in client.get(page).content.decode()
    client.post(page, form | {"expires": "180"})
    key = Key.objects.get()
    assert key.expires_at
    assert (timezone.localdate(key.expires_at) - timezone.localdate()).days == 180
