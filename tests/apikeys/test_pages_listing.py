"""The key lists: filters, order and query counts."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import timezone

from apikeys.insights import Selection, count_by_selection, select
from apikeys.models import Key, Status
from apikeys.services import Issued
from apikeys.services.callers import Caller
from apikeys.views.listing import PER_PAGE, KeyRow, Listing, list_keys
from tenants import services as tenants
from tenants.access import Reach
from tenants.models import Membership, Organization, User
from tests.apikeys.usage.test_statistics import use
from tests.conftest import SYSTEM, IssueKey, client_of, membership_of
from tests.pages import tables_asked

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
SELECTED_BY = {
    Status.ACTIVE: {Selection.ACTIVE},
    Status.EXPIRING: {Selection.ACTIVE, Selection.EXPIRING},
    Status.PAUSED: {Selection.PAUSED},
    Status.INACTIVE: {Selection.INACTIVE},
    Status.EXPIRED: {Selection.EXPIRED},
    Status.REVOKED: {Selection.REVOKED},
}


def bare_key(owner: Membership | None, organization: Organization, **facts: Any) -> Key:
    """Create a key without a secret. Lists do not need one."""
    kind, scopes = ("public", ["read:audit-activity"]) if owner else ("agent", [])
    return Key.objects.create(
        organization=organization,
        kind=kind,
        owner=owner,
        scopes=scopes,
        created_at=NOW - timedelta(days=400),
        **facts,
    )


def list_of(keys: Any = None, **parameters: str) -> Listing:
    query = QueryDict(mutable=True)
    query.update(parameters)
    nobody = Caller(User(), Reach({}))
    return list_keys(keys if keys is not None else Key.objects.all(), query, NOW, caller=nobody)


def test_selection_agrees_with_status(
    acme: Organization, alice: User, bob: User, carol: User
) -> None:
    tenants.deactivate_member(membership=membership_of(carol), by=SYSTEM)
    owners = [membership_of(bob), membership_of(carol), None]
    moments = [
        None,
        NOW - timedelta(seconds=1),
        NOW,
        NOW + timedelta(days=14),
        NOW + timedelta(days=14, seconds=1),
    ]
    states = product(owners, moments, (None, NOW), (None, NOW))
    for number, (owner, expires_at, paused_at, revoked_at) in enumerate(states):
        bare_key(
            owner,
            acme,
            name=f"{number}",
            expires_at=expires_at,
            paused_at=paused_at,
            revoked_at=revoked_at,
        )
    keys = list(Key.objects.select_related("owner__user"))
    assert len(keys) == 60
    for selection in Selection:
        found = set(select(Key.objects.all(), selection, NOW).values_list("pk", flat=True))
        said = {
            key.pk
            for key in keys
            if selection is Selection.ALL or selection in SELECTED_BY[key.status(NOW)]
        }
        assert found == said, selection
        assert count_by_selection(Key.objects.all(), NOW)[selection] == len(said)


def test_list_sorts_by_soonest_expiry(acme: Organization) -> None:
    for name, days in (("never", None), ("late", 90), ("soon", 2), ("over", -1)):
        bare_key(None, acme, name=name, expires_at=NOW + timedelta(days=days) if days else None)
    assert [row.key.name for row in list_of()] == ["soon", "late", "never"]
    assert [row.key.name for row in list_of(sort="-expires")] == ["never", "late", "soon"]
    assert [row.key.name for row in list_of(sort="name", status="all")] == [
        "late",
        "never",
        "over",
        "soon",
    ]
    assert list_of().columns["expires"].direction == "ascending"
    assert list_of(sort="-name").columns["name"].direction == "descending"


@pytest.mark.parametrize(
    "query", [{"status": "x\0"}, {"sort": "owner__user__password"}, {"page": "-1"}, {"page": "1e9"}]
)
def test_invalid_query_values_are_ignored(acme: Organization, query: dict[str, str]) -> None:
    bare_key(None, acme, name="one")
    listing = list_of(**query)
    assert (listing.selection, listing.sort, [row.key.name for row in listing]) == (
        Selection.ACTIVE,
        "expires",
        ["one"],
    )


def test_paging_keeps_the_filter(alice: User, acme: Organization) -> None:
    for number in range(PER_PAGE + 1):
        bare_key(None, acme, name=f"Key {number:02}", revoked_at=NOW)
    client = client_of(alice)
    html = client.get("/o/acme/agents/api-keys/?status=revoked").content.decode()
    assert "1 to 25 of 26" in html
    assert "?status=revoked&amp;page=2" in html
    assert (
        "26 to 26 of 26"
        in client.get("/o/acme/agents/api-keys/?status=revoked&page=2").content.decode()
    )


def test_rare_states_have_a_tab_only_if_present(acme: Organization) -> None:
    bare_key(None, acme, name="one")
    assert Selection.PAUSED not in {tab.selection for tab in list_of().tabs}
    bare_key(None, acme, name="two", paused_at=NOW)
    assert Selection.PAUSED in {tab.selection for tab in list_of().tabs}


def test_key_counts_as_unused_after_90_days(acme: Organization) -> None:
    day = timedelta(days=1)
    assert KeyRow(bare_key(None, acme, name="never used"), NOW).is_unused
    assert KeyRow(bare_key(None, acme, name="long ago", last_used_at=NOW - 91 * day), NOW).is_unused
    assert not KeyRow(
        bare_key(None, acme, name="lately", last_used_at=NOW - 89 * day), NOW
    ).is_unused


def test_public_key_list_query_count_is_constant(
    alice: User, bob: User, issue_public_key: IssueKey
) -> None:
    use(issue_public_key(), timezone.now())
    client = client_of(bob)
    client.get("/profile/")
    one = tables_asked(lambda: client.get("/profile/"))
    for number in range(8):
        use(issue_public_key(name=f"Key {number}"), timezone.now(), times=number + 1)
    many = tables_asked(lambda: client.get("/profile/"))
    assert one == many
    assert many["apikeys_usecount"] == 1, "the sparklines of all keys"
    assert (many["apikeys_key"], many["apikeys_secret"]) == (2, 1), (
        "keys: counts by state, the page; secrets: its masks"
    )


def test_agent_key_list_query_count_is_constant(
    alice: User, agent_key: Issued, issue_agent_key: IssueKey
) -> None:
    client = client_of(alice)
    client.get("/o/acme/agents/api-keys/")
    one = tables_asked(lambda: client.get("/o/acme/agents/api-keys/"))
    for number in range(8):
        use(issue_agent_key(name=f"Key {number}"), timezone.now())
    assert tables_asked(lambda: client.get("/o/acme/agents/api-keys/")) == one


def test_empty_filter_differs_from_empty_list(alice: User, agent_key: Issued, bob: User) -> None:
    client = client_of(alice)
    assert (
        "No agent keys yet"
        not in client.get("/o/acme/agents/api-keys/?status=expired").content.decode()
    )
    assert "No keys match" in client.get("/o/acme/agents/api-keys/?status=expired").content.decode()
    assert "No API keys yet" in client_of(bob).get("/profile/").content.decode()
