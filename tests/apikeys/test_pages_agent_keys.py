"""Tenant Agents → Manage API Keys: roles, forms and effects on an organization's agent keys."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import services as keys
from apikeys.models import Key
from apikeys.services import Issued
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from tenants import services as tenants
from tenants.models import Organization, User
from tests.conftest import SYSTEM, IssueKey, client_of
from tests.pages import nonce_of, secret_of

pytestmark = pytest.mark.django_db
LIST = "/o/acme/agents/api-keys/"
NEW = f"{LIST}new/"
ACTIONS = ("delete", "pause", "resume")


def page(key: Key, action: str, slug: str = "acme") -> str:
    if action == "delete":
        return f"/o/{slug}/agents/api-keys/{key.public_id}/{action}/"
    return f"/keys/{key.public_id}/{action}/"


def fields(client: Client, **changes: Any) -> dict[str, Any]:
    return {
        "name": "Production SQL 01 Agent",
        "environment": "live",
        "nonce": nonce_of(client.get(NEW)),
        **changes,
    }


def outcome(issued: Issued) -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=timezone.now())


@pytest.mark.usefixtures("stopped_clock")
def test_admin_creates_an_organizations_key(alice: User, acme: Organization) -> None:
    client = client_of(alice)
    tomorrow = timezone.localdate() + timedelta(days=1)
    response = client.post(NEW, fields(client, expires_on=tomorrow.isoformat(), environment="test"))
    html = response.content.decode()
    key = Key.objects.get()
    assert response.status_code == 200
    assert secret_of(response).startswith("ak_test_")
    assert '"AgentApiKey": "' in html.replace("&quot;", '"')
    assert (key.kind, key.owner, key.scopes, key.organization, key.created_by) == (
        "agent",
        None,
        [],
        acme,
        alice,
    )
    assert key.expires_at is not None
    assert key.expires_at.date() == tomorrow


def test_empty_expiry_date_never_expires(alice: User) -> None:
    client = client_of(alice)
    assert client.post(NEW, fields(client, expires_on="")).status_code == 200
    assert Key.objects.get().expires_at is None


@pytest.mark.parametrize("expires_on", ["2020-01-01", "9999-12-31", "soon"])
def test_invalid_expiry_is_refused(alice: User, expires_on: str) -> None:
    client = client_of(alice)
    assert client.post(NEW, fields(client, expires_on=expires_on)).status_code == 422
    assert not Key.objects.exists()


def test_staff_create_keys_in_any_organization(staff: User, acme: Organization) -> None:
    client = client_of(staff)
    assert client.post(NEW, fields(client)).status_code == 200
    assert Key.objects.get().created_by == staff


def test_dialog_uses_the_documents_words(alice: User, agent_key: Issued) -> None:
    html = client_of(alice).get(LIST).content.decode()
    for words in (
        "<h1>API Key Management</h1>",
        "Create Key",
        "data-dialog-content",
        "Delete",
        agent_key.plaintext.mask,
    ):
        assert words in html
    assert "Rotate" not in html


def test_member_has_no_access_to_agent_keys(bob: User, agent_key: Issued) -> None:
    client = client_of(bob)
    addresses = [LIST, NEW, *(page(agent_key.key, action) for action in ACTIONS)]
    for address in addresses:
        assert client.get(address).status_code == 403
        assert client.post(address, {"name": "x", "environment": "live"}).status_code in {403, 405}
    assert isinstance(outcome(agent_key), Credential)
    assert Key.objects.count() == 1


def test_auditor_reads_and_changes_nothing(carol: User, agent_key: Issued) -> None:
    client = client_of(carol)
    html = client.get(LIST).content.decode()
    assert agent_key.plaintext.mask in html
    assert "Create Key" not in html
    assert "Delete<" not in html
    for address in [NEW, *(page(agent_key.key, action) for action in ACTIONS)]:
        assert client.get(address).status_code == 403
        assert client.post(address, {"name": "x", "environment": "live"}).status_code == 403
    assert isinstance(outcome(agent_key), Credential)


def test_outsider_gets_404_as_for_unknown_keys(
    mallory: User, agent_key: Issued, globex_agent_key: Issued, bob: User
) -> None:
    client = client_of(mallory)
    for action in ACTIONS:
        for address in (
            page(agent_key.key, action),
            page(agent_key.key, action, "globex"),
            page(agent_key.key, action, "no"),
        ):
            assert client.get(address).status_code == 404
            assert client.post(address).status_code == 404
    assert client.get(LIST).status_code == 404
    assert client.get(page(globex_agent_key.key, "delete", "globex")).status_code == 200
    assert isinstance(outcome(agent_key), Credential)


def test_public_key_is_not_managed_here(alice: User, public_key: Issued, agent_key: Issued) -> None:
    client = client_of(alice)
    assert client.post(page(public_key.key, "delete")).status_code == 404
    assert client.get(page(agent_key.key, "delete")).status_code == 200
    assert public_key.plaintext.mask not in client.get(f"{LIST}?status=all").content.decode()


def test_delete_revokes_and_keeps_the_row(
    alice: User, agent_key: Issued, issue_agent_key: IssueKey
) -> None:
    bystander = issue_agent_key(name="Bystander")
    client = client_of(alice)
    assert isinstance(outcome(agent_key), Credential)
    response = client.post(page(agent_key.key, "delete"), {"reason": "Replaced"}, follow=True)
    assert "Deleted Production SQL 01 Agent" in response.content.decode()
    assert outcome(agent_key) == Denial(Reason.REVOKED_KEY)
    assert isinstance(outcome(bystander), Credential)
    assert Key.objects.get(pk=agent_key.key.pk).revoke_reason == "Replaced"
    assert agent_key.plaintext.mask in client.get(f"{LIST}?status=revoked").content.decode()
    assert '"action":"key.revoked"' in TrailEntry.objects.latest("sequence").body


def test_delete_page_warns_if_in_use_and_offers_pause(alice: User, agent_key: Issued) -> None:
    Key.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    html = client_of(alice).get(page(agent_key.key, "delete")).content.decode()
    for words in (
        "Delete API key",
        "Production SQL 01 Agent",
        agent_key.plaintext.mask,
        "Used 2\xa0minutes ago",
    ):
        assert words in html
    assert page(agent_key.key, "pause") in html


def test_resume_undoes_pause(alice: User, agent_key: Issued) -> None:
    client = client_of(alice)
    client.post(page(agent_key.key, "pause"))
    assert outcome(agent_key) == Denial(Reason.PAUSED_KEY)
    assert page(agent_key.key, "resume") in client.get(f"{LIST}?status=paused").content.decode()
    client.post(page(agent_key.key, "resume"))
    assert isinstance(outcome(agent_key), Credential)


def test_suspended_organization_is_read_only(
    alice: User, acme: Organization, agent_key: Issued
) -> None:
    client = client_of(alice)
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    assert client.get(LIST).status_code == 200
    assert client.post(NEW, {"name": "x"}).status_code == 403
    assert client.post(page(agent_key.key, "delete")).status_code == 403
    assert Key.objects.get().revoked_at is None


def test_hostile_label_is_escaped_in_the_title(
    alice: User, issue_agent_key: IssueKey, acme: Organization
) -> None:
    acme.name = "</title><script>alert(2)</script>"
    acme.save()
    key = issue_agent_key(name="</title><script>alert(1)</script>").key
    client = client_of(alice)
    for address in (
        LIST,
        NEW,
        *(page(key, action) for action in ACTIONS),
        "/administration/tenant-agents/",
        "/o/acme/agents/",
    ):
        html = client.get(address).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(2)" in html


def test_lost_race_to_revoke_is_reported(alice: User, agent_key: Issued) -> None:
    client = client_of(alice)
    client.get(page(agent_key.key, "delete"))
    keys.revoke(key=agent_key.key, by=SYSTEM, reason="theirs")
    response = client.post(page(agent_key.key, "delete"), {"reason": "mine"}, follow=True)
    assert "already revoked" in response.content.decode()
    assert Key.objects.get().revoke_reason == "theirs"
