"""Edit: a key's label, holder, scopes, networks and end, in the browser."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import services as keys
from apikeys.models import Key
from apikeys.services import Changes, Issued
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import verify
from audit.models import TrailEntry
from tenants import services as tenants
from tenants.access import actor
from tenants.models import Organization, User
from tests.apikeys.test_editing import MEMBER
from tests.conftest import SYSTEM, IssueKey, client_of

pytestmark = pytest.mark.django_db


def address(issued: Issued) -> str:
    return f"/keys/{issued.key.public_id}/edit/"


def fields(client: Client, issued: Issued, **changes: Any) -> dict[str, Any]:
    """Return what the form of the page would send, with `changes`."""
    response = client.get(address(issued))
    assert response.status_code == 200
    form = response.context["form"]
    sent = {name: form[name].value() for name in form.fields if name != "seen"}
    sent |= {"seen": form.state, "networks": form["networks"].value() or ""}
    return {name: value for name, value in (sent | changes).items() if value is not None}


def save(client: Client, issued: Issued, **changes: Any) -> Any:
    return client.post(address(issued), fields(client, issued, **changes))


def row(issued: Issued) -> Key:
    return Key.objects.get(pk=issued.key.pk)


def test_edit_saves_every_field_and_returns_to_the_page(
    bob: User, issue_public_key: IssueKey
) -> None:
    issued, bystander = issue_public_key(), issue_public_key(name="Bystander")
    tomorrow = timezone.localdate() + timedelta(days=1)
    response = save(
        client_of(bob),
        issued,
        name="Warehouse export",
        description="Nightly",
        held_by="Vault, ci/export",
        scopes=["read:audit-activity", "read:databases"],
        networks="192.0.2.7\r\n\r\n 2001:db8::/32 \r\n192.0.2.7/32",
        expires_on=tomorrow.isoformat(),
    )
    assert (response.status_code, response["Location"]) == (302, f"/keys/{issued.key.public_id}/")
    key = row(issued)
    assert (key.name, key.description, key.held_by) == (
        "Warehouse export",
        "Nightly",
        "Vault, ci/export",
    )
    assert key.scopes == ["read:audit-activity", "read:databases"]
    assert key.allowed_cidrs == ["192.0.2.7/32", "2001:db8::/32"]
    assert key.expires_at == datetime.combine(tomorrow, datetime.max.time(), UTC).replace(
        microsecond=0
    )
    assert row(bystander).name == "Bystander"
    (entry,) = TrailEntry.objects.filter(action="key.edited")
    assert (entry.actor_name, entry.target_id) == (bob.email, issued.key.public_id)


def test_saving_an_unchanged_form_changes_nothing(bob: User, issue_public_key: IssueKey) -> None:
    issued = issue_public_key(expires_at=timezone.now() + timedelta(days=30, hours=5))
    before = Key.objects.values().get()
    assert save(client_of(bob), issued).status_code == 302
    assert Key.objects.values().get() == before
    assert not TrailEntry.objects.filter(action="key.edited").exists()


def test_removed_network_is_refused_on_the_next_request(bob: User, public_key: Issued) -> None:
    secret = public_key.plaintext.reveal()
    assert not isinstance(verify(secret, now=timezone.now(), address="198.51.100.1"), Denial)
    assert save(client_of(bob), public_key, networks="192.0.2.0/24").status_code == 302
    assert verify(secret, now=timezone.now(), address="198.51.100.1") == Denial(
        Reason.IP_NOT_ALLOWED
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("192.0.2.0/24\n\nhome", "Line 3 is not a network"),
        ("192.0.2.1/24", "Line 1 is not a network"),
        ("x" * 5000, "Line 1 is not a network"),
        ("a\nb\nc\nd\ne\nf\ng", "Line 5 is not a network"),
        ("\n".join(f"192.0.2.{n}" for n in range(65)), "at most 64 networks"),
    ],
)
def test_wrong_network_is_named_by_its_line(
    text: str, words: str, bob: User, public_key: Issued
) -> None:
    response = save(client_of(bob), public_key, networks=text)
    html = response.content.decode()
    assert response.status_code == 422
    assert words in html
    assert "Line 6" not in html
    assert row(public_key).allowed_cidrs == []


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (31, "moved out"),
        (0, "tomorrow or a later"),
        (-400, "tomorrow or a later"),
        (None, "removed"),
    ],
)
def test_end_is_only_brought_nearer(
    days: int | None, words: str, bob: User, issue_public_key: IssueKey
) -> None:
    end = timezone.now() + timedelta(days=30)
    issued = issue_public_key(expires_at=end)
    day = "" if days is None else (timezone.localdate() + timedelta(days=days)).isoformat()
    response = save(client_of(bob), issued, expires_on=day)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert row(issued).expires_at == end
    nearer = (timezone.localdate() + timedelta(days=29)).isoformat()
    assert save(client_of(bob), issued, expires_on=nearer).status_code == 302


@pytest.mark.parametrize(
    "scopes", [["read:logs"], ["admin"], ["write:agent-events"], ["read:alerts"], ["*"], []]
)
def test_scope_beyond_the_users_power_is_refused(
    scopes: list[str], bob: User, public_key: Issued
) -> None:
    response = save(client_of(bob), public_key, scopes=scopes)
    assert response.status_code == 422
    assert row(public_key).scopes == ["read:audit-activity"]


def test_admin_cannot_widen_a_key_beyond_its_owners_role(
    alice: User, public_key: Issued, issue_public_key: IssueKey
) -> None:
    client = client_of(alice)
    assert save(client, public_key, scopes=["read:logs"]).status_code == 422
    own = issue_public_key(owner=alice)
    assert save(client, own, scopes=["read:logs"]).status_code == 302


def test_agent_key_has_fixed_scopes(alice: User, agent_key: Issued) -> None:
    client = client_of(alice)
    assert 'name="scopes"' not in client.get(address(agent_key)).content.decode()
    sent = fields(client, agent_key, held_by="Host sql-01") | {"scopes": ["admin"]}
    assert client.post(address(agent_key), sent).status_code == 302
    key = row(agent_key)
    assert (key.held_by, key.scopes) == ("Host sql-01", [])


def test_scope_that_is_no_longer_known_is_kept(bob: User, public_key: Issued) -> None:
    Key.objects.update(scopes=["read:audit-activity", "read:retired"])
    client = client_of(bob)
    assert save(client, public_key, name="Renamed").status_code == 302
    assert row(public_key).scopes == ["read:audit-activity", "read:retired"]
    assert save(client, public_key, scopes=["read:audit-activity"]).status_code == 302
    assert save(client, public_key, scopes=["read:retired"]).status_code == 422


def test_edit_of_a_changed_key_is_shown_before_it_is_saved(
    bob: User, alice: User, issue_public_key: IssueKey
) -> None:
    issued = issue_public_key(scopes=("read:audit-activity", "read:databases"))
    client = client_of(bob)
    stale = fields(client, issued, name="Mine")
    keys.edit(
        key=issued.key,
        changes=Changes(scopes=["read:audit-activity"]),
        within=MEMBER,
        by=actor(alice),
    )
    response = client.post(address(issued), stale)
    html = response.content.decode()
    assert response.status_code == 422
    assert "was edited after you opened this form" in html
    assert 'value="Mine"' in html
    assert row(issued).scopes == ["read:audit-activity"], "the narrowing is not undone"
    (seen,) = re.findall(r'name="seen" value="(\w+)"', html)
    assert client.post(address(issued), stale | {"seen": seen}).status_code == 302


@pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
def test_ended_key_is_not_edited(end: str, bob: User, public_key: Issued) -> None:
    client = client_of(bob)
    sent = fields(client, public_key, name="Renamed")
    Key.objects.update(**{end: timezone.now()})
    html = client.get(address(public_key)).content.decode()
    assert "can’t be edited" in html
    assert "<form class" not in html.split("<main")[1]
    assert client.post(address(public_key), sent).status_code == 422
    assert row(public_key).name == "SIEM Integration"


def test_suspended_organizations_keys_are_not_edited(
    bob: User, acme: Organization, public_key: Issued
) -> None:
    client = client_of(bob)
    sent = fields(client, public_key, name="Renamed")
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    assert client.get(f"/keys/{public_key.key.public_id}/").status_code == 200
    assert client.post(address(public_key), sent).status_code == 403
    assert row(public_key).name == "SIEM Integration"


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "x\u202ey"), ("held_by", "a\nb"), ("held_by", "x" * 256)],
)
def test_unprintable_or_long_texts_are_refused(
    field: str, value: str, bob: User, public_key: Issued
) -> None:
    assert save(client_of(bob), public_key, **{field: value}).status_code == 422
    assert not TrailEntry.objects.filter(action="key.edited").exists()


def test_scope_in_its_other_spelling_survives_an_edit(
    bob: User, issue_public_key: IssueKey
) -> None:
    issued = issue_public_key(scopes=("audit-activity:read", "api-keys:manage"))
    kept = row(issued).scopes
    form = client_of(bob).get(address(issued)).context["form"]
    offered = {title: value for value, title in form.fields["scopes"].choices}
    assert offered["Read Audit Activity"] == "audit-activity:read", "checked, and offered once"
    assert not form.unknown
    assert save(client_of(bob), issued, name="Renamed").status_code == 302
    assert (row(issued).name, row(issued).scopes) == ("Renamed", kept)
