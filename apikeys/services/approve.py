"""Request a live key, approve or refuse the request, and collect the key.

Power and rules are checked at each of the three steps, as they are at that moment. A request has
no secret: the key is made when its requester collects it.
"""

from collections.abc import Callable, Collection
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from apikeys.errors import (
    ApprovalRequired,
    IdempotencyKeyReused,
    NoApprover,
    OwnRequest,
    RequesterLostAccess,
    RequestNotOpen,
)
from apikeys.kind import Kind
from apikeys.models import Key, KeyRequest
from apikeys.rules.approval import LASTS, KeyRequestQuerySet, RequestStatus
from apikeys.services.callers import Caller, Holding, IssuingPlace
from apikeys.services.change import authority_of_owner, grantable, require_authority
from apikeys.services.issue import Issued, Order, Spend, fill, issue_requested
from apikeys.services.rules import approvers, require_rules, rules_of
from audit import trail
from audit.trail.actions import Action
from audit.trail.actor import Actor
from config.lib.environment import Environment
from config.lib.errors import KeywayError
from tenants.access import Access
from tenants.errors import Forbidden, NoAccess
from tenants.models import User
from tenants.roles import Permission

# Called with the request in the transaction that stores it, and in the one that answers it.
Listener = Callable[[KeyRequest, Actor], None]
on_request: list[Listener] = []
on_answer: list[Listener] = []


def requests_seen_by(caller: Caller) -> KeyRequestQuerySet:
    """The caller's own requests, and those of organizations whose members they may see.

    A key sees its owner's requests in its organization. An organization key has made none.
    """
    if caller.user is None:
        return KeyRequest.objects.none()
    if caller.key:
        return KeyRequest.objects.filter(
            requester=caller.user, organization=caller.key.organization.id
        )
    mine = KeyRequest.objects.filter(
        requester=caller.user, organization__in=list(caller.reach.places)
    )
    return mine | KeyRequest.objects.filter(
        organization__in=caller.reach.where(Permission.READ_MEMBERS)
    )


def find_requested(*, requester: User | None, order: Order) -> KeyRequest | None:
    """Find the request that an earlier copy of this call made.

    Raises IdempotencyKeyReused if the earlier call had another body.
    """
    if requester is None or not order.idempotency_key:
        return None
    earlier = KeyRequest.objects.filter(requester=requester, idempotency_key=order.idempotency_key)
    found = earlier.with_people().first()
    if found and found.request_digest != order.request_digest:
        raise IdempotencyKeyReused()
    return found


def request_key(
    *,
    caller: Caller,
    place: IssuingPlace,
    order: Order,
    scopes: Collection[str],
    spend: Spend | None = None,
) -> KeyRequest:
    """Request a live public key. Raises KeywayError as issuing it would, and calls `spend` like it.

    A key requests in its owner's name, and its owner collects. An organization key cannot request.
    """
    requester = caller.user
    if requester is None:
        raise ApprovalRequired(
            "A second person must approve live keys in this organization, and an organization key "
            "has no owner to collect one. Ask an admin to request the key."
        )
    key = Key(kind=Kind.PUBLIC, organization=place.organization, owner=place.owner)
    key.scopes = grantable(scopes)
    rules = rules_of(place.organization.pk)
    fill(key, order, rules)
    require_authority(key, caller.authority_in(place.organization.pk))
    require_rules(key, rules)
    _require_approver(key, requester)
    if spend:
        spend()
    request = _row(key, caller, requester)
    try:
        with transaction.atomic():
            request.save(force_insert=True)
            _record(Action.KEY_REQUEST_CREATED, request, caller.actor, _asked(request))
            for listener in on_request:
                listener(request, caller.actor)
    except IntegrityError:
        # A concurrent copy of the call was faster.
        if earlier := find_requested(requester=requester, order=order):
            return earlier
        raise
    return request


def approve(*, request: KeyRequest, by: Caller) -> None:
    """Let the requester collect the key. Raises KeywayError.

    The approver must be able to grant the whole key, so that no request is a way around authority.
    """
    with transaction.atomic():
        locked = _lock_waiting(request, by)
        _require_requester(locked)
        key = _draft(locked)
        by.authority_in(locked.organization_id).require_covers(key.authority)
        require_rules(key, rules_of(locked.organization_id, locked=True))
        locked.approved_at = now = timezone.now()
        locked.lapses_at = now + LASTS
        _answer(locked, by, Action.KEY_REQUEST_APPROVED, {})


def refuse(*, request: KeyRequest, by: Caller, reason: str) -> None:
    """Refuse the key for good. Raises KeywayError."""
    with transaction.atomic():
        locked = _lock_waiting(request, by)
        locked.refused_at, locked.reason = timezone.now(), reason
        _answer(locked, by, Action.KEY_REQUEST_REFUSED, {"reason": reason})


def collect(*, request: KeyRequest, by: Caller, idempotency_key: str | None = None) -> Issued:
    """Make the key of an approved request and its secret. Only for the requester in person.

    Raises RequestNotOpen if it is not approved, lapsed or collected already. Raises KeywayError as
    issuing the key now would.
    """
    if by.key or by.user != request.requester:
        raise NoAccess()
    request.refresh_from_db()
    if request.status(timezone.now()) is not RequestStatus.APPROVED:
        raise RequestNotOpen()
    _enter(request, by)
    key = _draft(request)
    order = Order(
        name=request.name,
        description=request.description,
        held_by=request.held_by,
        environment=Environment.LIVE,
        expires_at=request.expires_at,
        allowed=key.networks,
        idempotency_key=idempotency_key,
    )
    within = by.authority_in(request.organization_id)
    return issue_requested(request=request, key=key, order=order, by=by.actor, within=within)


def lapse(at: datetime) -> int:
    """Record the requests that have lapsed. Idempotent. Returns how many were new."""
    lapsed = 0
    for request in KeyRequest.objects.due_to_lapse(at).select_related("organization"):
        with transaction.atomic():
            # Conditional, because its requester may be collecting it at this moment.
            due = KeyRequest.objects.due_to_lapse(at).filter(pk=request.pk)
            if due.update(lapsed_at=at):
                _record(Action.KEY_REQUEST_LAPSED, request, Actor.system("worker"), {})
                lapsed += 1
    return lapsed


def may_answer(request: KeyRequest, place: Access) -> bool:
    return place.user != request.requester and place.may(_holding(request).to_change)


def _lock_waiting(request: KeyRequest, by: Caller) -> KeyRequest:
    """Lock the request and check that the caller may answer it now."""
    if by.key or by.user is None:
        raise Forbidden("Only a person can answer a request.")
    place = by.reach.get(request.organization_id)
    if place is None:
        raise NoAccess()
    if by.user == request.requester:
        raise OwnRequest()
    place.require(_holding(request).to_change)
    found = KeyRequest.objects.select_for_update(of=("self",)).select_related(
        "organization", "requester", "owner__user"
    )
    locked = found.get(pk=request.pk)
    if locked.status(timezone.now()) is not RequestStatus.REQUESTED:
        raise RequestNotOpen()
    return locked


def _answer(request: KeyRequest, by: Caller, action: Action, data: dict[str, object]) -> None:
    request.answered_by = by.user
    request.save(update_fields=["approved_at", "refused_at", "lapses_at", "answered_by", "reason"])
    _record(action, request, by.actor, data)
    for listener in on_answer:
        listener(request, by.actor)


def _require_requester(request: KeyRequest) -> None:
    """Require that the requester could still issue the key. Raises RequesterLostAccess."""
    requester = Caller.person(request.requester)
    try:
        _enter(request, requester)
        require_authority(_draft(request), requester.authority_in(request.organization_id))
    except KeywayError as error:
        raise RequesterLostAccess() from error


def _enter(request: KeyRequest, requester: Caller) -> None:
    """Require that the requester may issue such a key, as the same member as then."""
    place = requester.enter_to_issue(_holding(request), request.organization_id)
    if place.owner != request.owner:  # removed, and added again as a new member
        raise Forbidden()


def _require_approver(key: Key, requester: User) -> None:
    others = approvers(key.organization).exclude(user=requester)
    if not any(authority_of_owner(other).covers(key.authority) for other in others):
        raise NoApprover()


def _holding(request: KeyRequest) -> Holding:
    return Holding.OWN if request.owner_id else Holding.ORGANIZATION


def _draft(request: KeyRequest) -> Key:
    """Build the key as it would be issued now, without saving it."""
    return Key(
        kind=Kind.PUBLIC,
        organization=request.organization,
        owner=request.owner,
        created_by=request.requester,
        environment=Environment.LIVE,
        scopes=request.scopes,
        allowed_cidrs=request.allowed_cidrs,
        expires_at=request.expires_at,
        created_at=timezone.now(),
    )


def _row(key: Key, caller: Caller, requester: User) -> KeyRequest:
    return KeyRequest(
        organization=key.organization,
        requester=requester,
        owner=key.owner,
        sent_with=caller.key.public_id if caller.key else "",
        name=key.name,
        description=key.description,
        held_by=key.held_by,
        scopes=key.scopes,
        allowed_cidrs=key.allowed_cidrs,
        expires_at=key.expires_at,
        created_at=key.created_at,
        lapses_at=key.created_at + LASTS,
        idempotency_key=key.idempotency_key,
        request_digest=key.request_digest,
    )


def _asked(request: KeyRequest) -> dict[str, object]:
    return {
        "owner": request.owner.user.email if request.owner else "organization",
        "scopes": request.scopes,
        "allowed_cidrs": request.allowed_cidrs,
        "expires_at": request.expires_at.isoformat() if request.expires_at else None,
    }


def _record(action: Action, request: KeyRequest, by: Actor, data: dict[str, object]) -> None:
    target = request.as_target()
    trail.record(action, organization=request.organization_id, by=by, target=target, data=data)
