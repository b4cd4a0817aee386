"""Settings → API Keys: who sees which keys, search, filters, pages, CSV and the cost of a page."""

import csv
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys import services as keys
from apikeys.models import Key
from apikeys.services import Issued, Order
from apikeys.services.callers import Caller
from config.lib.environment import Environment
from tenants import services as tenants
from tenants.access import Access, actor
from tenants.models import Organization, User
from tenants.roles import Role
from tests.conftest import SYSTEM, IssueKey, client_of, join, membership_of
from tests.pages import tables_asked

pytestmark = pytest.mark.django_db
LIST = "/o/acme/settings/api-keys/"
MOST_QUERIES = 15
MOST_BYTES = 150_000


@pytest.fixture
def organization_key(acme: Organization, alice: User) -> Issued:
    caller = Caller.at(Access(alice, acme, membership_of(alice)))
    return keys.issue_organization_key(
        organization=acme,
        order=Order(name="Warehouse sync", description="Nightly"),
        scopes=["read:audit-activity"],
        by=actor(alice),
        created_by=alice,
        within=caller.authority_in(acme.pk),
    )


def names(user: User, query: str = "") -> list[str]:
    """Return the names of the keys that the page shows, in its order."""
    response = client_of(user).get(LIST + query)
    assert response.status_code == 200
    return [row.key.name for row in response.context["listing"]]


def test_each_role_sees_its_keys(
    *, alice: User, bob: User, carol: User, agent_key: Issued, organization_key: Issued,
    issue_public_key: IssueKey, globex_public_key: Issued, globex_agent_key: Issued,
) -> None:  # fmt: skip
    issue_public_key(name="Script of Bob")
    issue_public_key(owner=alice, name="Script of Alice")
    everything = {"Production SQL 01 Agent", "Script of Alice", "Script of Bob", "Warehouse sync"}
    assert set(names(alice)) == set(names(carol)) == everything
    assert names(bob) == ["Script of Bob"]


def test_columns_are_those_of_the_document(alice: User, organization_key: Issued) -> None:
    html = client_of(alice).get(LIST).content.decode()
    for column in ("Name", "Created", "Expires", "Last Used"):
        assert f">{column}</a></th>" in html or f">{column} <svg" in html
    assert '<th scope="col" class="cell-about">Description</th>' in html
    for column in ("Key", "Owner", "Status", "Actions"):
        assert f'<th scope="col">{column}</th>' in html
    for value in ("Warehouse sync", organization_key.key.mask, "Nightly", "Never", "Never used"):
        assert value in html
    assert "Read Audit Activity" in html


def test_auditor_gets_no_actions(carol: User, alice: User, public_key: Issued) -> None:
    reader, admin = (client_of(user).get(LIST).content.decode() for user in (carol, alice))
    for action in ("Revoke SIEM Integration", "Pause SIEM Integration", "Select SIEM"):
        assert action in admin
        assert action not in reader
    assert "Generate New Key" in admin
    assert "Generate New Key" not in reader
    assert "Create API Key" not in reader


def test_own_keys_of_other_organizations_are_not_listed(
    bob: User, globex: Organization, issue_public_key: IssueKey
) -> None:
    issue_public_key(name="At Acme")
    tenants.add_member(organization=globex, user=bob, role=Role.MEMBER, by=SYSTEM)
    keys.issue_public_key(
        owner=globex.memberships.get(user=bob),
        order=Order(name="At Globex"),
        scopes=["read:audit-activity"],
        by=actor(bob),
    )
    assert names(bob, "?status=all") == ["At Acme"]


def test_search_finds_name_mask_and_id(
    alice: User, issue_public_key: IssueKey, globex_public_key: Issued
) -> None:
    wanted = issue_public_key(name="CI/CD - GitHub Actions").key
    issue_public_key(name="Other")
    head, _, tail = wanted.mask.partition("…")
    for text in ("github act", wanted.mask, f"{head}...{tail}", tail, wanted.public_id):
        found = client_of(alice).get(LIST, {"q": text}).context["listing"]
        assert [row.key.name for row in found] == ["CI/CD - GitHub Actions"], text
    for text in (globex_public_key.key.public_id, globex_public_key.key.mask, "key_", "%", "_%"):
        assert not list(client_of(alice).get(LIST, {"q": text}).context["listing"]), text


def test_retired_mask_finds_its_key(alice: User, bob: User, public_key: Issued) -> None:
    old = public_key.key.mask
    within = Caller.person(bob).authority_in(public_key.key.organization_id)
    keys.rotate(key=public_key.key, overlap=keys.NO_OVERLAP, within=within, by=actor(bob))
    html = client_of(alice).get(LIST, {"q": old}).content.decode()
    assert "SIEM Integration" in html


def test_each_filter_narrows_the_list(
    alice: User, bob: User, agent_key: Issued, organization_key: Issued, issue_public_key: IssueKey
) -> None:
    soon = timezone.now() + timedelta(days=3)
    issue_public_key(name="Test", environment=Environment.TEST, expires_at=soon)
    old = issue_public_key(name="Forgotten").key
    Key.objects.filter(pk=old.pk).update(last_used_at=timezone.now() - timedelta(days=91))
    agent = "Production SQL 01 Agent"
    for query, expected in {
        "kind=agent": [agent],
        "owner=organization": ["Warehouse sync"],
        f"owner={bob.public_id}": ["Forgotten", "Test"],
        "environment=test": ["Test"],
        "unused=on": ["Forgotten"],
        "endless=on": ["Forgotten", agent, "Warehouse sync"],
        "status=expiring": ["Test"],
        f"owner={bob.public_id}&environment=test&endless=on": [],
    }.items():
        assert sorted(names(alice, f"?{query}")) == sorted(expected), query
    tabs = client_of(alice).get(f"{LIST}?kind=agent").context["listing"].tabs
    assert {tab.selection.value: tab.count for tab in tabs}["all"] == 1, "tabs count what matches"


@pytest.mark.parametrize("query", ["q=a%00b", "kind=x", "owner=usr_0", "owner=me%00", "page=x"])
def test_invalid_filter_is_shown_and_does_not_filter(
    alice: User, public_key: Issued, query: str
) -> None:
    response = client_of(alice).get(f"{LIST}?{query}&format=html")
    assert [row.key.name for row in response.context["listing"]] == ["SIEM Integration"]
    is_error = "error" in response.content.decode()
    assert is_error == (not query.startswith("page"))
    exported = client_of(alice).get(f"{LIST}?{query}&format=csv")
    assert exported.streaming == (not is_error), "no file of more than was asked for"


def test_pages_have_numbers(alice: User, acme: Organization) -> None:
    many(acme, 26 * 12)
    html = client_of(alice).get(f"{LIST}?q=Key&page=6").content.decode()
    for number in (1, 4, 5, 7, 8, 13):
        assert f"?q=Key&amp;page={number}" in html
    assert "?q=Key&amp;page=3" not in html.replace("page=30", "")
    assert '<span class="page-number" aria-current="page">' in html


def many(organization: Organization, number: int) -> None:
    """Store agent keys without secrets."""
    Key.objects.bulk_create(
        Key(organization=organization, kind="agent", name=f"Key {n:05}") for n in range(number)
    )


def test_page_costs_the_same_for_300_keys(
    alice: User, acme: Organization, issue_public_key: IssueKey
) -> None:
    issue_public_key()
    client = client_of(alice)
    few = tables_asked(lambda: client.get(LIST))
    many(acme, 300)
    assert tables_asked(lambda: client.get(LIST)) == few
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = client.get(LIST)
    assert len(queries) <= MOST_QUERIES, [query["sql"][:90] for query in queries]
    assert len(page.content) <= MOST_BYTES


def exported(user: User, query: str = "") -> list[dict[str, str]]:
    response: Any = client_of(user).get(f"{LIST}?format=csv{query}")
    assert response["Content-Disposition"] == 'attachment; filename="acme-api-keys.csv"'
    return list(csv.DictReader(response.getvalue().decode().splitlines()))


def test_csv_has_what_the_filters_select(
    alice: User, bob: User, agent_key: Issued, issue_public_key: IssueKey
) -> None:
    script = issue_public_key(name="=HYPERLINK(1)", description="nightly").key
    issue_public_key(owner=alice, name="Of Alice")
    [row] = exported(alice, f"&owner={bob.public_id}")
    assert (row["id"], row["key"]) == (script.public_id, script.mask)
    assert row["name"] == "'=HYPERLINK(1)", "a spreadsheet must not run it"
    assert (row["status"], row["owner"], row["scopes"]) == ("Active", "Bob", "read:audit-activity")
    assert [row["name"] for row in exported(bob)] == ["'=HYPERLINK(1)"]
    assert len(exported(alice)) == 3
    assert exported(alice, "&status=revoked") == []


def test_csv_reads_in_chunks_without_gap(
    alice: User, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apikeys.views.key_export.CHUNK", 3)
    many(acme, 10)
    found = [row["name"] for row in exported(alice)]
    assert sorted(found) == [f"Key {n:05}" for n in range(10)]


def test_new_key_comes_first_and_is_marked(alice: User, issue_public_key: IssueKey) -> None:
    issue_public_key(name="A", expires_at=timezone.now() + timedelta(days=1))
    new = issue_public_key(name="Z").key
    assert names(alice) == ["A", "Z"]
    html = client_of(alice).get(f"{LIST}?new={new.public_id}").content.decode()
    assert names(alice, f"?new={new.public_id}") == ["Z", "A"]
    assert html.count('class="new-row"') == 1
    assert "&amp;new=" not in html.split("<tbody>")[0].split("<thead>")[1], "sorting forgets it"


def test_empty_list_offers_the_first_key(alice: User, carol: User) -> None:
    html = client_of(alice).get(LIST).content.decode()
    assert "No API keys yet" in html
    assert "No keys match" in client_of(alice).get(f"{LIST}?q=x").content.decode()


def test_owner_of_a_key_is_offered_by_name(
    alice: User, acme: Organization, globex_public_key: Issued, issue_public_key: IssueKey
) -> None:
    dora = join(acme, "dora", Role.MEMBER)
    issue_public_key(owner=dora)
    tenants.remove_member(membership=membership_of(dora), by=SYSTEM)
    html = client_of(alice).get(LIST).content.decode()
    assert f'<option value="{dora.public_id}">Dora (dora@acme.example)</option>' in html
    assert "Acme (the organization)" in html
    assert "Mallory" not in html
