from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys import networks
from apikeys import services as keys
from apikeys.authority import Authority
from apikeys.errors import (
    ExpiryInThePast,
    ExpiryMovedOut,
    NotUsable,
    ScopeNotGrantable,
    StrongerThanIssuer,
)
from apikeys.models import Key
from apikeys.services import Changes, Issued
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, authorize, verify
from audit.models import TrailEntry
from tenants.changes import leases
from tenants.changes.leases import Receipt
from tenants.models import Organization
from tenants.roles import PERMISSIONS, Role
from tests.conftest import SYSTEM, IssueKey, join

pytestmark = pytest.mark.django_db
MEMBER, ADMIN, OWNER = (
    Authority.of_person(PERMISSIONS[role]) for role in (Role.MEMBER, Role.ADMIN, Role.OWNER)
)
NEAR, FAR = networks.parse(["192.0.2.0/24"]), networks.parse(["0.0.0.0/0", "::/0"])


def edit(issued: Issued, within: Authority = MEMBER, **changes: object) -> Receipt:
    return keys.edit(key=issued.key, changes=Changes(**changes), within=within, by=SYSTEM)  # type: ignore[arg-type]


def resolve(issued: Issued, address: str = "") -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=timezone.now(), address=address)


def test_edit_keeps_omitted_fields(public_key: Issued, agent_key: Issued) -> None:
    edit(public_key, name="Renamed")
    key = Key.objects.get(pk=public_key.key.pk)
    assert (key.name, key.description, key.scopes) == ("Renamed", "", ["read:audit-activity"])
    assert (
        '"name":{"from":"SIEM Integration","to":"Renamed"}'
        in TrailEntry.objects.get(action="key.edited").body
    )
    assert Key.objects.get(pk=agent_key.key.pk).name == agent_key.key.name


def test_edit_without_changes_is_not_trailed(public_key: Issued) -> None:
    edit(public_key, name=public_key.key.name, scopes=["read:audit-activity"])
    assert not TrailEntry.objects.filter(action="key.edited").exists()


def test_only_narrowing_waits_for_leases(
    issue_public_key: IssueKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issue_public_key(scopes=("read:audit-activity", "read:databases"))
    ended: list[Receipt] = []

    def record_end() -> Receipt:
        ended.append(Receipt(timezone.now()))
        return ended[-1]

    monkeypatch.setattr(leases, "end", record_end)
    edit(issued, name="x")
    edit(issued, scopes=["read:audit-activity", "read:databases", "read:policies"])
    assert ended == []
    edit(issued, scopes=["read:audit-activity"])
    edit(issued, allowed=FAR)
    edit(issued, allowed=NEAR)
    assert len(ended) == 3


def test_narrowing_applies_to_the_next_request(issue_public_key: IssueKey) -> None:
    issued = issue_public_key(scopes=("read:audit-activity", "read:databases"))
    credential = resolve(issued, "198.51.100.1")
    assert isinstance(credential, Credential)
    assert authorize(credential, scope="read:databases") is None
    edit(issued, scopes=["read:audit-activity"])
    narrowed = resolve(issued, "198.51.100.1")
    assert isinstance(narrowed, Credential)
    assert authorize(narrowed, scope="read:databases")
    edit(issued, allowed=NEAR)
    assert resolve(issued, "198.51.100.1") == Denial(Reason.IP_NOT_ALLOWED)


def test_widening_requires_holding_the_scope(issue_public_key: IssueKey, alice: object) -> None:
    issued = issue_public_key(owner=alice, scopes=("read:audit-activity",))
    wider = ["read:audit-activity", "read:logs"]
    with pytest.raises(ScopeNotGrantable):
        edit(issued, MEMBER, scopes=wider)
    edit(issued, ADMIN, scopes=wider)
    edit(issued, MEMBER, scopes=["read:audit-activity"])  # narrowing requires no authority


def test_widening_stays_within_the_owners_role(public_key: Issued) -> None:
    with pytest.raises(ScopeNotGrantable):
        edit(public_key, ADMIN, scopes=["read:audit-activity", "read:logs"])


def test_widening_requires_authority_over_the_whole_key(
    acme: Organization, issue_public_key: IssueKey
) -> None:
    """An admin cannot remove the networks of an owner's key, which is stronger than an admin."""
    issued = issue_public_key(
        owner=join(acme, "olivia", Role.OWNER), scopes=("admin",), allowed=NEAR
    )
    with pytest.raises(ScopeNotGrantable):
        edit(issued, ADMIN, allowed=())
    edit(issued, ADMIN, name="Renamed by an admin")
    edit(issued, OWNER, allowed=())


def test_networks_widen_only_within_the_issuers(issue_public_key: IssueKey) -> None:
    issued = issue_public_key(allowed=networks.parse(["192.0.2.0/25"]))
    within = Authority(MEMBER.scopes, MEMBER.environments, None, NEAR)
    with pytest.raises(StrongerThanIssuer):
        edit(issued, within, allowed=FAR)
    edit(issued, within, allowed=NEAR)


@pytest.mark.parametrize(
    ("scopes", "words"),
    [
        (["read:alerts"], "coming soon"),
        (["*"], "unknown"),
        (["write:agent-events"], "not available"),
        ([], "one"),
    ],
)
def test_edit_refuses_ungrantable_scopes(scopes: list[str], words: str, public_key: Issued) -> None:
    with pytest.raises(ScopeNotGrantable, match=words):
        edit(public_key, OWNER, scopes=scopes)


def test_agent_key_edits_networks_but_not_scopes(agent_key: Issued) -> None:
    with pytest.raises(ScopeNotGrantable, match="fixed"):
        edit(agent_key, OWNER, scopes=["read:audit-activity"])
    edit(agent_key, OWNER, allowed=NEAR)
    assert resolve(agent_key, "198.51.100.1") == Denial(Reason.IP_NOT_ALLOWED)


@pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
def test_revoked_or_expired_key_is_not_edited(end: str, public_key: Issued) -> None:
    Key.objects.filter(pk=public_key.key.pk).update(**{end: timezone.now()})
    with pytest.raises(NotUsable):
        edit(public_key, name="x")


def test_end_comes_nearer_and_never_moves_out(issue_public_key: IssueKey) -> None:
    now = timezone.now()
    issued = issue_public_key(expires_at=now + timedelta(days=90))
    edit(issued, expires_at=now + timedelta(days=30))
    for later in (timedelta(days=30, microseconds=1), timedelta(days=90)):
        with pytest.raises(ExpiryMovedOut):
            edit(issued, OWNER, expires_at=now + later)
    with pytest.raises(ExpiryInThePast):
        edit(issued, expires_at=timezone.now())
    assert Key.objects.get(pk=issued.key.pk).expires_at == now + timedelta(days=30)
    (entry,) = TrailEntry.objects.filter(action="key.edited")
    assert f'"to":"{(now + timedelta(days=30)).isoformat()}"' in entry.body


def test_key_without_an_end_can_be_given_one(
    public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(leases, "end", lambda: ended.append("wait"))
    edit(public_key, expires_at=timezone.now() + timedelta(days=1))
    assert Key.objects.get(pk=public_key.key.pk).expires_at is not None
    assert ended == ["wait"], "an end takes power away"


def test_holder_is_edited_and_trailed(public_key: Issued) -> None:
    edit(public_key, held_by="Vault, path ci/export")
    assert Key.objects.get(pk=public_key.key.pk).held_by == "Vault, path ci/export"
    assert '"held_by":{"from":"","to":"Vault' in TrailEntry.objects.get(action="key.edited").body
