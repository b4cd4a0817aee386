"""Settings → API Keys → Pause, Revoke: several keys at once, each within the user's power."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys import services as keys
from apikeys.models import Key
from apikeys.services import Issued, Order
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from tenants import services as tenants
from tenants.access import actor
from tenants.changes.leases import Receipt
from tenants.models import Organization, User
from tenants.roles import Role
from tests.conftest import SYSTEM, IssueKey, client_of
from tests.pages import grow_old

pytestmark = pytest.mark.django_db
LIST = "/o/acme/settings/api-keys/"
PAUSE, REVOKE = f"{LIST}pause/", f"{LIST}revoke/"


def ids(*issued: Issued) -> dict[str, Any]:
    return {"key": [each.key.public_id for each in issued]}


def outcome(issued: Issued) -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=timezone.now())


def test_confirmation_names_each_key_and_changes_nothing(
    alice: User, agent_key: Issued, public_key: Issued
) -> None:
    client = client_of(alice)
    for page in (PAUSE, REVOKE):
        html = client.get(page, ids(agent_key, public_key)).content.decode()
        for issued in (agent_key, public_key):
            assert issued.key.name in html
            assert issued.key.mask in html
    assert all(isinstance(outcome(issued), Credential) for issued in (agent_key, public_key))


def test_revoking_several_waits_once_and_trails_each(
    alice: User, agent_key: Issued, issue_public_key: IssueKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = [agent_key, *(issue_public_key(name=f"Script {n}") for n in range(3))]
    bystander = issue_public_key(name="Bystander")
    waits: list[int] = []

    def wait() -> Receipt:
        waits.append(Key.objects.filter(revoked_at=None).count())
        return Receipt(effective_at=timezone.now())

    monkeypatch.setattr("apikeys.services.end.leases.end", wait)
    answer = client_of(alice).post(REVOKE, {**ids(*chosen), "reason": "Leak"})
    html = answer.content.decode()
    assert html.count("</svg> Revoked</span>") == 4
    assert waits == [1], "one wait, after the last of them"
    assert all(outcome(each) == Denial(Reason.REVOKED_KEY) for each in chosen)
    assert isinstance(outcome(bystander), Credential)
    revoked = TrailEntry.objects.filter(action="key.revoked")
    assert set(revoked.values_list("target_id", flat=True)) == set(ids(*chosen)["key"])
    assert set(Key.objects.exclude(revoked_at=None).values_list("revoke_reason", flat=True)) == {
        "Leak"
    }


def test_member_ends_own_keys_only(alice: User, bob: User, issue_public_key: IssueKey) -> None:
    own, hers = issue_public_key(name="Own"), issue_public_key(owner=alice, name="Hers")
    html = client_of(bob).post(REVOKE, ids(own, hers)).content.decode()
    assert outcome(own) == Denial(Reason.REVOKED_KEY)
    assert isinstance(outcome(hers), Credential)
    assert "This key belongs to someone else" in html
    assert "Hers" not in html


def test_foreign_key_is_refused_like_an_unknown_one(
    alice: User, public_key: Issued, globex_public_key: Issued
) -> None:
    client = client_of(alice)
    for unknown in (globex_public_key.key.public_id, "key_" + "0" * 26, "x\0", "../../"):
        html = client.post(REVOKE, {"key": [unknown]}).content.decode()
        assert "doesn&#x27;t exist, or you don&#x27;t have access to it" in html
        assert "Globex script" not in html
    assert isinstance(outcome(globex_public_key), Credential)


def test_own_key_of_another_organization_is_not_changed_here(
    bob: User, globex: Organization, public_key: Issued
) -> None:
    tenants.add_member(organization=globex, user=bob, role=Role.MEMBER, by=SYSTEM)
    other = keys.issue_public_key(
        owner=globex.memberships.get(user=bob),
        order=Order(name="At Globex"),
        scopes=["read:audit-activity"],
        by=actor(bob),
    )
    client_of(bob).post(REVOKE, ids(public_key, other))
    assert outcome(public_key) == Denial(Reason.REVOKED_KEY)
    assert isinstance(outcome(other), Credential)


def test_no_selected_key_costs_a_query(alice: User, issue_agent_key: IssueKey) -> None:
    chosen = [issue_agent_key(name=f"Agent {n}") for n in range(12)]
    client = client_of(alice)
    client.get(REVOKE, ids(*chosen[:2]))  # what only the first page needs
    counts = []
    for some in (chosen[:2], chosen):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(REVOKE, ids(*some)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_more_than_ten_keys_need_typing(alice: User, issue_agent_key: IssueKey) -> None:
    chosen = [issue_agent_key(name=f"Agent {n}") for n in range(11)]
    client = client_of(alice)
    html = client.get(REVOKE, ids(*chosen)).content.decode()
    assert "Type “revoke 11 keys” to confirm" in html
    for typed in ("", "revoke", "revoke 12 keys"):
        assert client.post(REVOKE, {**ids(*chosen), "typed": typed}).status_code == 422
    assert all(isinstance(outcome(each), Credential) for each in chosen)
    assert "to confirm" not in client.get(REVOKE, ids(*chosen[:10])).content.decode()
    assert client.post(REVOKE, {**ids(*chosen), "typed": " Revoke 11  keys"}).status_code == 200
    assert all(outcome(each) == Denial(Reason.REVOKED_KEY) for each in chosen)


def test_pause_leaves_what_cannot_be_paused(
    alice: User, agent_key: Issued, issue_public_key: IssueKey
) -> None:
    paused, revoked = issue_public_key(name="Paused"), issue_public_key(name="Revoked")
    keys.pause(key=paused.key, by=actor(alice))
    keys.revoke(key=revoked.key, by=actor(alice))
    html = client_of(alice).post(PAUSE, ids(agent_key, paused, revoked)).content.decode()
    assert outcome(agent_key) == Denial(Reason.PAUSED_KEY)
    assert outcome(revoked) == Denial(Reason.REVOKED_KEY)
    assert "Unchanged: paused." in html
    assert "Unchanged: revoked." in html


def test_key_revoked_meanwhile_is_reported(
    alice: User, agent_key: Issued, public_key: Issued
) -> None:
    stale = Key.objects.select_related("organization", "owner__user").get(pk=agent_key.key.pk)
    keys.revoke(key=agent_key.key, by=actor(alice))
    outcomes = keys.revoke_each(keys=[stale, public_key.key], by=actor(alice))
    assert [each.error.code if each.error else "" for each in outcomes] == ["already_revoked", ""]
    assert TrailEntry.objects.filter(action="key.revoked").count() == 2


@pytest.mark.parametrize("page", [PAUSE, REVOKE])
def test_no_selection_leads_back_to_the_list(alice: User, page: str) -> None:
    client = client_of(alice)
    assert client.get(page)["Location"] == LIST
    assert "Select at least one key." in client.get(LIST).content.decode()


@pytest.mark.parametrize("page", [PAUSE, REVOKE])
def test_old_sign_in_keeps_the_selection(alice: User, public_key: Issued, page: str) -> None:
    client = client_of(alice)
    grow_old(client, timedelta(hours=1).total_seconds())
    answer = client.post(page, ids(public_key))
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert isinstance(outcome(public_key), Credential)


def test_suspended_organization_changes_nothing(
    alice: User, agent_key: Issued, acme: Organization
) -> None:
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    html = client_of(alice).post(REVOKE, ids(agent_key)).content.decode()
    assert "This organization is suspended" in html
    assert not Key.objects.exclude(revoked_at=None).exists()
