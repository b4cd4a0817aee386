"""Issue keys, once per idempotency key, by the rules of their organization.

`spend` is called for an order that has passed every check, before its secret is made.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from apikeys.authority import Authority
from apikeys.errors import (
    AlreadyIssued,
    ApprovalRequired,
    ExpiryInThePast,
    IdempotencyKeyReused,
    RequestNotOpen,
)
from apikeys.kind import Kind
from apikeys.models import Key, KeyRequest
from apikeys.networks import Network
from apikeys.notices.record import key_issued
from apikeys.rules import NO_RULES, Rules
from apikeys.services.change import (
    authority_of_owner,
    grantable,
    make_secret,
    record,
    require_authority,
)
from apikeys.services.rules import require_rules, rules_of
from apikeys.verify.secret import Plaintext
from audit.trail.actions import Action
from audit.trail.actor import Actor
from config.lib.environment import Environment
from tenants.models import Membership, Organization, User

# Counts a new key against a limit. Raises if the limit is reached.
Spend = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key and its secret. Only this object holds the plaintext, which is never stored."""

    key: Key
    plaintext: Plaintext


@dataclass(frozen=True, slots=True)
class Order:
    """The properties of a new key.

    One idempotency key of one person issues one key. `request_digest` identifies the request that
    it was first used with.
    """

    name: str
    description: str = ""
    held_by: str = ""
    environment: Environment = Environment.LIVE
    expires_at: datetime | None = None
    allowed: tuple[Network, ...] = ()
    idempotency_key: str | None = None
    request_digest: str | None = None


def issue_agent_key(
    *,
    organization: Organization,
    order: Order,
    by: Actor,
    created_by: User | None,
    within: Authority | None = None,
    spend: Spend | None = None,
) -> Issued:
    """Issue an agent key for the organization, with the fixed scopes. Raises KeywayError.

    `within` is the caller's authority. None means unlimited, for the installation itself and for
    views that have already required MANAGE_AGENTS.
    """
    key = Key(kind=Kind.AGENT, organization=organization, created_by=created_by)
    return _issue(key, order, by, within, spend=spend)


def issue_public_key(
    *,
    owner: Membership,
    order: Order,
    scopes: Collection[str],
    by: Actor,
    within: Authority | None = None,
    spend: Spend | None = None,
) -> Issued:
    """Issue a public key to a member, within the member's role. Raises KeywayError.

    `within` is the caller's authority if the caller is not the owner in person.
    """
    key = Key(kind=Kind.PUBLIC, organization=owner.organization, owner=owner, created_by=owner.user)
    key.scopes = grantable(scopes)
    return _issue(key, order, by, within or authority_of_owner(owner), spend=spend)


def issue_organization_key(
    *,
    organization: Organization,
    order: Order,
    scopes: Collection[str],
    by: Actor,
    created_by: User | None,
    within: Authority,
    spend: Spend | None = None,
) -> Issued:
    """Issue a public key that belongs to the organization. Raises KeywayError.

    `created_by` is None if an organization key issues it. `within` is the caller's authority.
    """
    key = Key(kind=Kind.PUBLIC, organization=organization, created_by=created_by)
    key.scopes = grantable(scopes)
    return _issue(key, order, by, within, spend=spend)


def find_issued(*, created_by: User | None, order: Order) -> Key | None:
    """Find the key that an earlier copy of this request issued.

    Raises IdempotencyKeyReused if the earlier request had another body.
    """
    if not order.idempotency_key:
        return None
    key = Key.objects.filter(created_by=created_by, idempotency_key=order.idempotency_key).first()
    if key and key.request_digest != order.request_digest:
        raise IdempotencyKeyReused()
    return key


def issue_requested(
    *, request: KeyRequest, key: Key, order: Order, by: Actor, within: Authority
) -> Issued:
    """Issue the key of an approved request, once. apikeys.services.approve is the only caller."""
    return _issue(key, order, by, within, request=request)


def _issue(
    key: Key,
    order: Order,
    by: Actor,
    within: Authority | None,
    *,
    spend: Spend | None = None,
    request: KeyRequest | None = None,
) -> Issued:
    rules = rules_of(key.organization_id)
    # An approved key is issued as approved. Rules that demand other networks by now refuse it.
    fill(key, order, NO_RULES if request else rules)
    if within:
        require_authority(key, within)
    # All checks come before the secret: refused requests must not cost an Argon2id hash each.
    _refuse_replay(key, order)
    _require_rules(key, rules, request)
    # Last, so that a refused request does not use up the limit.
    if spend:
        spend()
    plaintext, secret = make_secret(key)
    try:
        # The entry of the trail is in the same transaction: if it cannot be written, no key exists.
        with transaction.atomic():
            key.save(force_insert=True)
            secret.save(force_insert=True)
            if request:
                _collect(request, key)
            # Again, because the rules may have become stricter while the secret was hashed.
            _require_rules(key, rules_of(key.organization_id, locked=True), request)
            record(Action.KEY_ISSUED, key, by, _recorded(key, plaintext, request))
            key_issued(key, mask=plaintext.mask, by=by)
    except IntegrityError:
        # A concurrent copy of the request won between the check above and the insert.
        _refuse_replay(key, order)
        raise
    return Issued(key, plaintext)


def fill(key: Key, order: Order, rules: Rules) -> None:
    """Give an unsaved key what the order says. Raises ExpiryInThePast.

    A live key whose order names no networks gets those that the rules demand.
    """
    key.created_at = timezone.now()
    if order.expires_at and order.expires_at <= key.created_at:
        raise ExpiryInThePast()
    key.name, key.description, key.held_by = order.name, order.description, order.held_by
    key.environment, key.expires_at = order.environment, order.expires_at
    allowed = order.allowed or rules.demanded(order.environment)
    key.allowed_cidrs = [str(network) for network in allowed]
    key.idempotency_key, key.request_digest = order.idempotency_key, order.request_digest


def _require_rules(key: Key, rules: Rules, request: KeyRequest | None) -> None:
    require_rules(key, rules)
    if request is None and rules.needs_approval_of(key.kind, key.environment):
        raise ApprovalRequired()


def _collect(request: KeyRequest, key: Key) -> None:
    # A conditional UPDATE: of two concurrent collections one finds the row changed, and its key is
    # rolled back.
    waiting = KeyRequest.objects.filter(
        pk=request.pk,
        approved_at__isnull=False,
        collected_at=None,
        lapsed_at=None,
        lapses_at__gt=key.created_at,
    )
    if not waiting.update(collected_at=key.created_at, key=key):
        raise RequestNotOpen()


def _refuse_replay(key: Key, order: Order) -> None:
    """Raise AlreadyIssued if the order was carried out before.

    This check alone would lose a race. `one_request_issues_one_key` decides it, and then this names
    the outcome.
    """
    if find_issued(created_by=key.created_by, order=order):
        raise AlreadyIssued()


def _recorded(key: Key, plaintext: Plaintext, request: KeyRequest | None) -> dict[str, object]:
    """What the trail keeps of a new key: the mask, never the plaintext."""
    requested = {"request": request.public_id} if request else {}
    return requested | {
        "kind": key.kind,
        "environment": key.environment,
        "mask": plaintext.mask,
        "owner": key.owner.user.email if key.owner else None,
        "scopes": key.scopes_as_asked,
        "allowed_cidrs": key.allowed_cidrs,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
    }
