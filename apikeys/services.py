"""Changes to keys: one function a change, atomic, trailed. Nothing here knows HTTP."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from apikeys import conf, hashing, scopes, secret
from apikeys.errors import AlreadyIssued, AlreadyRevoked, ExpiryInThePast, NotUsable, ScopeNotGrantable
from apikeys.kind import Kind
from apikeys.models import Key, Secret
from apikeys.secret import Plaintext
from audit import trail
from audit.actions import Action
from audit.actor import Actor
from audit.environment import Environment
from tenants import leases
from tenants.leases import Receipt
from tenants.models import Membership, Organization, User


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key and its secret, which is in memory here and nowhere else."""

    key: Key
    plaintext: Plaintext


@dataclass(frozen=True, slots=True)
class Order:
    """What a new key is to be."""

    name: str
    description: str = ""
    environment: Environment = Environment.LIVE
    expires_at: datetime | None = None
    idempotency_key: str | None = None


def issue_agent_key(*, organization: Organization, order: Order, by: Actor, created_by: User | None) -> Issued:
    """Issue a key for agents: the organization's, with the fixed scopes of its kind. Raises KeywayError."""
    return _issue(Key(kind=Kind.AGENT, organization=organization, created_by=created_by), order, by)


def issue_public_key(*, owner: Membership, order: Order, scopes: Collection[str], by: Actor) -> Issued:
    """Issue a key for a member's scripts. Raises KeywayError; ScopeNotGrantable when a scope cannot be held."""
    key = Key(kind=Kind.PUBLIC, organization=owner.organization, owner=owner, created_by=owner.user)
    key.scopes = _grantable(scopes)
    return _issue(key, order, by)


def _grantable(names: Collection[str]) -> list[str]:
    known = scopes.registry()
    for name in names:
        if name not in known or known[name].kind is not Kind.PUBLIC:
            raise ScopeNotGrantable("A scope is not known, or not for public keys.")
        if not known[name].is_active:
            raise ScopeNotGrantable(f"{known[name].title} ({name}) is coming soon and cannot be granted yet.")
    if not names:
        raise ScopeNotGrantable("Choose at least one scope: a key without one can do nothing.")
    return sorted(set(names))


def _issue(key: Key, order: Order, by: Actor) -> Issued:
    key.created_at = timezone.now()
    if order.expires_at and order.expires_at <= key.created_at:
        raise ExpiryInThePast()
    key.name, key.description = order.name, order.description
    key.environment, key.expires_at = order.environment, order.expires_at
    key.idempotency_key = order.idempotency_key
    _refuse_replay(key)
    minted = secret.mint(conf.prefixes()[key.kind], key.environment, conf.peppers()[0])
    # Before the transaction: nobody should wait on a row lock for the tens of milliseconds of Argon2id.
    proof = hashing.make_proof(minted.plaintext.reveal())
    try:
        with transaction.atomic():
            key.save(force_insert=True)
            Secret.objects.create(
                key=key,
                lookup=minted.lookup,
                proof=proof,
                pepper_version=minted.pepper_version,
                mask=minted.plaintext.mask,
                created_at=key.created_at,
            )
            _record(Action.KEY_ISSUED, key, by, _issue_facts(key, minted.plaintext))
    except IntegrityError:
        _refuse_replay(key)
        raise
    return Issued(key, minted.plaintext)


def _refuse_replay(key: Key) -> None:
    """Look for a key that the same request issued. The constraint decides a race; this names its outcome."""
    if not key.idempotency_key:
        return
    if Key.objects.filter(created_by=key.created_by, idempotency_key=key.idempotency_key).exists():
        raise AlreadyIssued()


def _issue_facts(key: Key, plaintext: Plaintext) -> dict[str, object]:
    return {
        "kind": key.kind,
        "environment": key.environment,
        "mask": plaintext.mask,
        "owner": key.owner.user.email if key.owner else None,
        "scopes": sorted(key.effective_scopes),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
    }


def revoke(*, key: Key, by: Actor, reason: str = "") -> Receipt:
    """Revoke for good. Raises AlreadyRevoked if somebody got there first."""
    with transaction.atomic():
        if not Key.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now(), revoke_reason=reason):
            raise AlreadyRevoked()
        _record(Action.KEY_REVOKED, key, by, {"reason": reason} if reason else {})
    return leases.end()


def pause(*, key: Key, by: Actor) -> Receipt:
    """Refuse the key until it is resumed. Raises NotUsable for a key that is revoked or paused already."""
    with transaction.atomic():
        if not Key.objects.filter(pk=key.pk, revoked_at=None, paused_at=None).update(paused_at=timezone.now()):
            raise NotUsable("Only a key that is neither revoked nor paused can be paused.")
        _record(Action.KEY_PAUSED, key, by, {})
    return leases.end()


@transaction.atomic
def resume(*, key: Key, by: Actor) -> None:
    """Raises NotUsable for a key that is revoked or not paused."""
    if not Key.objects.filter(pk=key.pk, revoked_at=None, paused_at__isnull=False).update(paused_at=None):
        raise NotUsable("Only a paused key can be resumed.")
    _record(Action.KEY_RESUMED, key, by, {})


def _record(action: Action, key: Key, by: Actor, data: dict[str, object]) -> None:
    trail.record(action, organization=key.organization_id, by=by, target=key.as_target(), data=data)
