"""Profile → New API Key: valid and invalid input, and the roles that can create keys."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.models import Key
from apikeys.verify.denials import Denial
from apikeys.verify.judge import Credential, verify
from tenants import services as tenants
from tenants.models import Organization, User
from tenants.roles import Role
from tests.conftest import SYSTEM, client_of
from tests.pages import nonce_of, secret_of

pytestmark = pytest.mark.django_db
NEW = "/profile/api-keys/new/"


def fields(client: Client, **changes: Any) -> dict[str, Any]:
    """Return valid form data with a fresh nonce."""
    return {
        "name": "SIEM Integration",
        "scopes": ["read:audit-activity"],
        "environment": "live",
        "expires": "never",
        "nonce": nonce_of(client.get(NEW)),
        **changes,
    }


def outcome(secret: str) -> Credential | Denial:
    return verify(secret, now=timezone.now())


@pytest.mark.usefixtures("stopped_clock")
def test_form_creates_the_key_it_describes(bob: User) -> None:
    client = client_of(bob)
    data = fields(
        client,
        name="  Audit Export Script ",
        description="nightly",
        environment="test",
        expires="30",
    )
    response = client.post(NEW, data)
    key = Key.objects.for_owner(bob).get()
    assert response.status_code == 200
    assert (key.name, key.description, key.environment) == (
        "Audit Export Script",
        "nightly",
        "test",
    )
    assert key.scopes == ["read:audit-activity"]
    assert key.expires_at is not None
    assert key.expires_at.date() == timezone.localdate() + timedelta(days=30)
    assert (key.expires_at.hour, key.expires_at.minute, key.expires_at.second) == (23, 59, 59)
    credential = outcome(secret_of(response))
    assert isinstance(credential, Credential)
    assert credential.key_id == key.pk


def test_expiry_is_the_end_of_day_in_the_users_zone(bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(time_zone="Pacific/Auckland")
    client = client_of(bob)
    assert (
        client.post(NEW, fields(client, expires="custom", expires_on="2027-06-15")).status_code
        == 200
    )
    assert Key.objects.get().expires_at == datetime(2027, 6, 15, 11, 59, 59, tzinfo=UTC)


def test_preset_read_is_ticked_and_coming_scopes_are_disabled(bob: User) -> None:
    html = client_of(bob).get(NEW).content.decode()
    for name in ("alerts", "findings", "compliance", "reports"):
        assert f'value="read:{name}" disabled' in html
    assert 'value="read:audit-activity" checked>' in html
    assert html.count('name="scopes" value="read:audit-activity" checked') == 1
    assert 'value="manage:api-keys">' in html
    assert html.count("Coming soon") == 4


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"scopes": ["read:alerts"]}, "scopes", "Read Alerts: coming soon"),
        (
            {"scopes": ["read:audit-activity", "read:reports"]},
            "scopes",
            "Read Reports: coming soon",
        ),
        ({"scopes": ["write:agent-events"]}, "scopes", "not one of the available choices"),
        ({"scopes": ["*"]}, "scopes", "not one of the available choices"),
        ({"scopes": []}, "scopes", "Choose at least one scope"),
        ({"name": ""}, "name", "Enter a label"),
        ({"name": "  \t "}, "name", "Enter a label"),
        ({"name": "x" * 256}, "name", "at most 255 characters"),
        ({"name": "x" * 100_000}, "name", "at most 255 characters"),
        ({"name": "a\0b"}, "name", "invisible and control"),
        ({"name": "a\nb"}, "name", "invisible and control"),
        ({"name": "a\u202egpj.exe"}, "name", "invisible and control"),
        ({"name": "pay\u200bpal"}, "name", "invisible and control"),
        ({"name": "\u3164"}, "name", "invisible and control"),
        ({"description": "a\u2066b"}, "description", "invisible and control"),
        ({"environment": "production"}, "environment", "not one of the available choices"),
        ({"expires": "36500"}, "expires", "not one of the available choices"),
        ({"expires": "custom"}, "expires_on", "Choose an expiry date"),
        (
            {"expires": "custom", "expires_on": "2020-01-01"},
            "expires_on",
            "tomorrow or a later date",
        ),
        ({"expires": "custom", "expires_on": "9999-12-31"}, "expires_on", "within ten years"),
        ({"expires": "custom", "expires_on": "-1"}, "expires_on", "Enter a date"),
        ({"expires": "custom", "expires_on": "1e400"}, "expires_on", "Enter a date"),
    ],
)
def test_invalid_form_names_the_field_and_issues_nothing(
    bob: User, changes: Any, field: str, words: str
) -> None:
    client = client_of(bob)
    data = fields(client)
    response = client.post(NEW, data | changes)
    assert response.status_code == 422
    assert words in " ".join(response.context["form"].errors[field])
    assert f'id="id_{field}_error"' in response.content.decode()
    assert not Key.objects.exists()
    assert client.post(NEW, data).status_code == 200, "the same form without the flaw is accepted"


def test_invalid_form_keeps_its_values(bob: User) -> None:
    client = client_of(bob)
    data = fields(client, name="Kept <label>", expires="custom", expires_on="2020-01-01")
    html = client.post(NEW, data).content.decode()
    assert 'value="Kept &lt;label&gt;"' in html
    assert 'value="read:audit-activity" checked' in html
    assert 'value="custom" selected' in html
    assert 'value="2020-01-01"' in html


def test_unknown_fields_are_ignored(bob: User, alice: User, globex: Organization) -> None:
    client = client_of(bob)
    extra = {
        "id": "key_1",
        "organization": "globex",
        "owner": str(alice.pk),
        "kind": "agent",
        "revoked_at": "2020-01-01",
    }
    assert client.post(NEW, fields(client, **extra)).status_code == 200
    key = Key.objects.for_owner(bob).get()
    assert (key.organization.slug, key.kind, key.revoked_at) == ("acme", "public", None)


def test_organization_field_needs_a_choice(bob: User, globex: Organization) -> None:
    client = client_of(bob)
    assert 'name="organization"' not in client.get(NEW).content.decode()
    tenants.add_member(organization=globex, user=bob, role=Role.AUDITOR, by=SYSTEM)
    assert 'name="organization"' not in client.get(NEW).content.decode(), "auditors own no keys"
    tenants.remove_member(membership=globex.memberships.get(), by=SYSTEM)
    tenants.add_member(organization=globex, user=bob, role=Role.MEMBER, by=SYSTEM)
    assert (
        '<option value="globex" selected>'
        in client.get(f"{NEW}?organization=globex").content.decode()
    )
    assert client.post(NEW, fields(client, organization="globex")).status_code == 200
    assert Key.objects.get().organization == globex


def test_foreign_organization_is_refused_like_unknown(
    bob: User, globex: Organization, acme: Organization
) -> None:
    umbrella = tenants.create_organization(name="Umbrella", slug="umbrella", by=SYSTEM)
    tenants.add_member(organization=umbrella, user=bob, role=Role.MEMBER, by=SYSTEM)
    client = client_of(bob)
    errors = [
        client.post(NEW, fields(client, organization=slug))
        .context["form"]
        .errors["organization"][0]
        .replace(slug, "")
        for slug in ("globex", "nowhere")
    ]
    assert errors[0] == errors[1]
    assert not Key.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_auditor_is_told_why_keys_are_unavailable(carol: User, method: str) -> None:
    response = getattr(client_of(carol), method)(NEW)
    assert response.status_code == 403
    assert "Your role does not allow creating API keys" in response.content.decode()
    profile = client_of(carol).get("/profile/").content.decode()
    assert "You can’t create API keys" in profile
    assert "New API Key" not in profile


def test_suspended_organization_refuses_new_keys(bob: User, acme: Organization) -> None:
    client = client_of(bob)
    data = fields(client)
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    assert client.post(NEW, data).status_code == 403
    assert not Key.objects.exists()
