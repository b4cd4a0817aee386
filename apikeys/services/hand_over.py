"""Hand a key over: the receiver accepts a new key, and the old one ends once that is in use."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from apikeys.authority import Authority
from apikeys.errors import AlreadyOffered, AlreadyRevoked, ApprovalRequired, HandOverRefused
from apikeys.hand_over import HandOver
from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.services.change import authority_of_owner, lock_usable, record
from apikeys.services.end import revoke
from apikeys.services.issue import Issued, Order, issue_organization_key, issue_public_key
from apikeys.services.rules import rules_of
from audit.trail.actions import Action
from audit.trail.actor import Actor
from config.lib.environment import Environment
from tenants.changes import leases
from tenants.models import Membership, User

FINISHED_AT_ONCE = 100


def offer(
    *, key: Key, receiver: Membership | None, overlap: timedelta, by: Actor, offered_by: User
) -> HandOver:
    """Offer a public key to a member, or to the organization if `receiver` is None.

    Gives nothing away: the old secret stays with its holder, and the receiver gets a new key only
    by accepting. Raises HandOverRefused, ApprovalRequired, AlreadyOffered, NotUsable,
    ScopeNotGrantable or StrongerThanIssuer.
    """
    with transaction.atomic():
        locked = lock_usable(key)
        _check_receiver(locked, receiver)
        _refuse_unapproved(locked)
        # The receiver's role must hold all of it. A receiver who accepted a narrower key would
        # break the program that uses the old one, at the moment when the old one ends.
        authority_of_owner(receiver).require_covers(locked.authority)
        HandOver.objects.filter(key=key).lapsed(timezone.now()).update(ended_at=timezone.now())
        try:
            with transaction.atomic():
                hand_over = HandOver.objects.create(
                    key=locked,
                    organization=locked.organization,
                    receiver=receiver,
                    overlap=overlap,
                    offered_by=offered_by,
                )
        except IntegrityError as error:
            raise AlreadyOffered() from error
        data = {"receiver": hand_over.receiver_name, "overlap_seconds": overlap.total_seconds()}
        record(Action.KEY_OFFERED, locked, by, data)
    return hand_over


def _check_receiver(key: Key, receiver: Membership | None) -> None:
    if key.kind != Kind.PUBLIC:
        raise HandOverRefused("Agent keys already belong to the organization.")
    if key.owner_id == (receiver.pk if receiver else None):
        raise HandOverRefused("The key already belongs to this receiver.")
    if receiver is None:
        return
    present = Membership.objects.active().filter(pk=receiver.pk)
    if not present.filter(organization=key.organization).exists():
        raise HandOverRefused("The receiver must be an active member of the key's organization.")


def _refuse_unapproved(key: Key) -> None:
    # Counting the receiver as the second person was rejected: one admin can offer a key to the
    # organization and accept it, and members who accept are no approvers.
    if rules_of(key.organization_id).needs_approval_of(key.kind, key.environment):
        raise ApprovalRequired(
            "A second person must approve live keys in this organization. The receiver can "
            "request a new key. Revoke this one once they have switched over."
        )


def accept(
    *,
    hand_over: HandOver,
    within: Authority,
    by: Actor,
    accepted_by: User,
    idempotency_key: str,
) -> Issued:
    """Issue the receiver's new key. The old one ends after the overlap, or at the first use of it.

    `within` is the authority of the person who accepts. Raises HandOverRefused if the offer is
    over, and whatever issuing the key raises.
    """
    now = timezone.now()
    with transaction.atomic():
        # Claims the offer before anything is issued, so that two copies of this request cannot
        # both get a key. Argon2id runs while this row is locked; only the same offer waits for it.
        if not HandOver.objects.filter(pk=hand_over.pk).waiting(now).update(accepted_at=now):
            raise HandOverRefused("This offer is no longer open.")
        old = lock_usable(hand_over.key)
        _check_receiver(old, hand_over.receiver)
        _refuse_unapproved(old)
        order = _order(old, idempotency_key)
        if hand_over.receiver:
            issued = issue_public_key(
                owner=hand_over.receiver, order=order, scopes=old.scopes, by=by, within=within
            )
        else:
            issued = issue_organization_key(
                organization=old.organization, order=order, scopes=old.scopes, by=by,
                created_by=accepted_by, within=within,
            )  # fmt: skip
        HandOver.objects.filter(pk=hand_over.pk).update(replacement=issued.key)
        ends_at = _bring_end_nearer(old, now + hand_over.overlap)
        data = {"receiver": hand_over.receiver_name, "replacement": issued.key.public_id}
        record(Action.KEY_HANDED_OVER, old, by, data | {"old_expires_at": ends_at.isoformat()})
    leases.end()
    return issued


def _order(old: Key, idempotency_key: str) -> Order:
    return Order(
        name=old.name,
        description=old.description,
        held_by=old.held_by,
        environment=Environment(old.environment),
        expires_at=old.expires_at,
        allowed=old.networks,
        idempotency_key=idempotency_key,
    )


def _bring_end_nearer(key: Key, end: datetime) -> datetime:
    # Never later than it was: the overlap must not lengthen a key that was about to end.
    key.expires_at = end = min(end, key.expires_at) if key.expires_at else end
    key.save(update_fields=["expires_at"])
    return end


def end_offer(*, hand_over: HandOver, by: Actor) -> None:
    """Withdraw or decline an offer. Raises HandOverRefused if it is over or was accepted."""
    with transaction.atomic():
        now = timezone.now()
        if not HandOver.objects.filter(pk=hand_over.pk).waiting(now).update(ended_at=now):
            raise HandOverRefused("This offer is no longer open.")
        record(Action.KEY_OFFER_ENDED, hand_over.key, by, {"receiver": hand_over.receiver_name})


def finish() -> None:
    """End each handed-over key whose replacement is in use, or which has ended by itself.

    A duty of the worker, so it can run twice. While no worker runs, the old key still ends after
    the overlap, which the clock decides.
    """
    now = timezone.now()
    over = Q(replacement__last_used_at__isnull=False) | Q(key__revoked_at__isnull=False)
    due = HandOver.objects.accepted().filter(over | Q(key__expires_at__lte=now))
    for hand_over in due.select_related("key", "organization", "receiver__user")[:FINISHED_AT_ONCE]:
        _finish(hand_over, now)


def _finish(hand_over: HandOver, now: datetime) -> None:
    key = hand_over.key
    if key.expires_at is None or key.expires_at > now:
        try:
            reason = f"Handed over to {hand_over.receiver_name}, whose new key is in use."
            revoke(key=key, by=Actor.system("hand-over"), reason=reason[:255])
        except AlreadyRevoked:
            pass
    HandOver.objects.filter(pk=hand_over.pk).update(ended_at=now)
