"""Handing a key over: the receiver gets a new key, and no key changes its owner."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.errors import ApprovalRequired
from apikeys.hand_over import OFFER_LASTS, HandOver
from apikeys.models import Key
from apikeys.services import Issued, hand_over
from apikeys.services.callers import Caller
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from config.lib.errors import KeywayError
from tenants import services as tenants
from tenants.models import Membership, Organization, User
from tenants.roles import Role
from tests.apikeys.test_key_rules import ruled
from tests.conftest import SYSTEM, IssueKey, client_of, membership_of

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def offer(issued: Issued, receiver: Membership | None, overlap: timedelta = DAY) -> HandOver:
    assert issued.key.owner
    user = issued.key.owner.user
    return hand_over.offer(
        key=issued.key, receiver=receiver, overlap=overlap, by=SYSTEM, offered_by=user
    )


def accept(offered: HandOver, by: User, nonce: str = "nonce") -> Issued:
    caller = Caller.person(by)
    return hand_over.accept(
        hand_over=offered,
        within=caller.authority_in(offered.organization_id),
        by=caller.actor,
        accepted_by=by,
        idempotency_key=nonce,
    )


def present(issued: Issued, after: timedelta = timedelta(0)) -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=timezone.now() + after, address="192.0.2.7")


def test_receiver_gets_a_new_key_of_the_same_facts(
    issue_public_key: IssueKey, alice: User, bob: User
) -> None:
    old = issue_public_key(expires_at=timezone.now() + 30 * DAY)
    new = accept(offer(old, membership_of(alice)), alice)
    facts = ("name", "scopes", "allowed_cidrs", "environment")
    assert [getattr(new.key, name) for name in facts] == [getattr(old.key, name) for name in facts]
    assert new.key.expires_at == old.key.expires_at
    assert new.key.owner == membership_of(alice)
    assert Key.objects.get(pk=old.key.pk).owner == membership_of(bob)


def test_both_keys_work_until_the_overlap_is_over(public_key: Issued, alice: User) -> None:
    new = accept(offer(public_key, None), alice)
    assert isinstance(present(public_key), Credential)
    assert present(public_key, DAY + timedelta(minutes=1)).reason == Reason.EXPIRED_KEY  # type: ignore[union-attr]
    assert isinstance(present(new, 2 * DAY), Credential)


def test_overlap_never_lengthens_the_old_key(issue_public_key: IssueKey, alice: User) -> None:
    end = timezone.now() + timedelta(hours=1)
    old = issue_public_key(expires_at=end)
    accept(offer(old, None, 7 * DAY), alice)
    assert Key.objects.get(pk=old.key.pk).expires_at == end


def test_first_use_of_the_new_key_ends_the_old_one(public_key: Issued, alice: User) -> None:
    new = accept(offer(public_key, None), alice)
    hand_over.finish()
    assert isinstance(present(public_key), Credential)
    Key.objects.filter(pk=new.key.pk).update(last_used_at=timezone.now())
    hand_over.finish()
    hand_over.finish()
    assert present(public_key).reason == Reason.REVOKED_KEY  # type: ignore[union-attr]
    assert TrailEntry.objects.filter(action="key.revoked").count() == 1
    assert not HandOver.objects.accepted().exists()


def test_offer_can_be_accepted_once(public_key: Issued, alice: User) -> None:
    offered = offer(public_key, None)
    accept(offered, alice)
    with pytest.raises(KeywayError) as refused:
        accept(offered, alice, nonce="another")
    assert refused.value.code == "hand_over_refused"
    assert Key.objects.count() == 2


def test_lapsed_offer_cannot_be_accepted_and_can_be_renewed(
    public_key: Issued, alice: User
) -> None:
    offered = offer(public_key, None)
    with pytest.raises(KeywayError, match="already been offered"):
        offer(public_key, None)
    HandOver.objects.update(offered_at=timezone.now() - OFFER_LASTS)
    with pytest.raises(KeywayError):
        accept(offered, alice)
    offer(public_key, None)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.AUDITOR])
def test_receiver_must_hold_every_scope(
    role: Role, issue_public_key: IssueKey, alice: User, bob: User
) -> None:
    tenants.change_role(membership=membership_of(bob), role=role, by=SYSTEM)
    old = issue_public_key(owner=alice, scopes=("read:logs",))
    with pytest.raises(KeywayError) as refused:
        offer(old, membership_of(bob))
    assert refused.value.code == "scope_not_grantable"


def test_receiver_demoted_after_the_offer_gets_nothing(
    issue_public_key: IssueKey, alice: User, bob: User
) -> None:
    tenants.change_role(membership=membership_of(bob), role=Role.ADMIN, by=SYSTEM)
    offered = offer(issue_public_key(owner=alice, scopes=("read:logs",)), membership_of(bob))
    tenants.change_role(membership=membership_of(bob), role=Role.MEMBER, by=SYSTEM)
    with pytest.raises(KeywayError):
        accept(offered, bob)
    assert HandOver.objects.waiting(timezone.now()).exists()
    assert Key.objects.count() == 1


def test_foreign_member_and_present_owner_are_refused(
    public_key: Issued, bob: User, mallory: User
) -> None:
    for receiver in (membership_of(mallory), membership_of(bob)):
        with pytest.raises(KeywayError) as refused:
            offer(public_key, receiver)
        assert refused.value.code == "hand_over_refused"


def accept_page(offered: HandOver) -> str:
    return f"/hand-overs/{offered.public_id}/accept/"


def test_pages_offer_accept_and_show_the_secret_once(
    public_key: Issued, acme: Organization, alice: User, bob: User
) -> None:
    giver, receiver = client_of(alice), client_of(bob)
    key = public_key.key
    done = giver.post(
        f"/keys/{key.public_id}/hand-over/", {"receiver": "organization", "overlap": "0"}
    )
    assert done.status_code == 302
    offered = HandOver.objects.get()
    assert "Offered to Acme" in giver.get(f"/keys/{key.public_id}/").content.decode()
    assert receiver.get(accept_page(offered)).status_code == 404
    assert "read:audit-activity" in giver.get(accept_page(offered)).content.decode()
    nonce = giver.get(accept_page(offered)).context["form"].fresh_nonce
    shown = giver.post(accept_page(offered), {"nonce": nonce})
    assert shown.status_code == 200
    again = giver.post(accept_page(offered), {"nonce": nonce})
    assert again.status_code == 409
    assert "Already created" in again.content.decode()
    assert shown.headers["Cache-Control"] == "no-store"
    new = Key.objects.get(owner=None)
    assert new.is_organization_key
    assert present(public_key).reason == Reason.EXPIRED_KEY  # type: ignore[union-attr]


def test_receiver_finds_the_offer_on_the_profile(
    public_key: Issued, alice: User, issue_public_key: IssueKey
) -> None:
    offered = offer(public_key, membership_of(alice))
    client = client_of(alice)
    assert accept_page(offered) in client.get("/profile/").content.decode()
    client.post(f"/hand-overs/{offered.public_id}/decline/")
    assert accept_page(offered) not in client.get("/profile/").content.decode()
    assert TrailEntry.objects.filter(action="key.offer_ended").count() == 1


def test_suspended_organization_accepts_nothing(public_key: Issued, alice: User) -> None:
    offered = offer(public_key, None)
    tenants.suspend_organization(organization=public_key.key.organization, by=SYSTEM)
    assert client_of(alice).get(accept_page(offered)).status_code == 404


def test_member_can_offer_to_the_organization_only(public_key: Issued, bob: User) -> None:
    page = client_of(bob).get(f"/keys/{public_key.key.public_id}/hand-over/")
    assert [value for value, _ in page.context["form"].fields["receiver"].choices] == [
        "organization"
    ]


def test_hand_over_is_no_way_around_approval(
    public_key: Issued, issue_public_key: IssueKey, acme: Organization, alice: User
) -> None:
    offered, other = offer(public_key, None), issue_public_key()
    ruled(acme, needs_approval=True)
    for refused in (lambda: accept(offered, alice), lambda: offer(other, membership_of(alice))):
        with pytest.raises(ApprovalRequired, match="The receiver can request a new key"):
            refused()
    assert Key.objects.count() == 2
    assert HandOver.objects.waiting(timezone.now()).get() == offered
