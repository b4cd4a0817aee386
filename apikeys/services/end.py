"""Revoke, pause, resume."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from apikeys.errors import AlreadyRevoked, NotUsable
from apikeys.models import Key
from apikeys.services.change import record
from apikeys.services.rules import require_rules, rules_of
from audit.trail.actions import Action
from audit.trail.actor import Actor
from config.lib.errors import KeywayError
from tenants.changes import leases
from tenants.changes.leases import Receipt


def revoke(*, key: Key, by: Actor, reason: str = "") -> Receipt:
    """Revoke permanently.

    Raises AlreadyRevoked if the key is revoked, also by a concurrent request.
    """
    _revoke(key, by, reason)
    # After the commit: a lease read before it can grant the key until this wait is over, so
    # answering earlier would acknowledge a revocation that some process does not know yet.
    return leases.end()


def pause(*, key: Key, by: Actor) -> Receipt:
    """Refuse the key until it is resumed. Raises NotUsable if it is already revoked or paused."""
    _pause(key, by)
    return leases.end()


@dataclass(frozen=True, slots=True)
class KeyOutcome:
    """What became of one key among several. `error` says why it was not changed."""

    key: Key
    error: KeywayError | None = None


def revoke_each(*, keys: Iterable[Key], by: Actor, reason: str = "") -> list[KeyOutcome]:
    """Revoke each key permanently, in a transaction of its own."""
    return _each(keys, lambda key: _revoke(key, by, reason))


def pause_each(*, keys: Iterable[Key], by: Actor) -> list[KeyOutcome]:
    """Pause each key, in a transaction of its own."""
    return _each(keys, lambda key: _pause(key, by))


def _each(keys: Iterable[Key], change: Callable[[Key], None]) -> list[KeyOutcome]:
    outcomes = [_outcome(key, change) for key in keys]
    # Once for all of them. It begins after the last commit, so that it covers the earlier ones.
    leases.end()
    return outcomes


def _outcome(key: Key, change: Callable[[Key], None]) -> KeyOutcome:
    try:
        change(key)
    except KeywayError as error:
        return KeyOutcome(key, error)
    return KeyOutcome(key)


@transaction.atomic
def _revoke(key: Key, by: Actor, reason: str) -> None:
    # A conditional UPDATE, not a read and a write: of two concurrent requests one finds the row
    # changed, so that one revocation makes one entry of the trail, with one reason.
    if not Key.objects.filter(pk=key.pk, revoked_at=None).update(
        revoked_at=timezone.now(), revoke_reason=reason
    ):
        raise AlreadyRevoked()
    record(Action.KEY_REVOKED, key, by, {"reason": reason} if reason else {})


@transaction.atomic
def _pause(key: Key, by: Actor) -> None:
    if not Key.objects.filter(pk=key.pk, revoked_at=None, paused_at=None).update(
        paused_at=timezone.now()
    ):
        raise NotUsable("This key is already revoked or paused.")
    record(Action.KEY_PAUSED, key, by, {})


@transaction.atomic
def resume(*, key: Key, by: Actor) -> None:
    """Resume a paused key.

    Raises NotUsable if it is revoked or not paused, and RulesBroken if it breaks a key rule. Gives
    authority back, so that there is no lease to wait for.
    """
    if not Key.objects.filter(pk=key.pk, revoked_at=None, paused_at__isnull=False).update(
        paused_at=None
    ):
        raise NotUsable("Only a paused key can be resumed.")
    # After the UPDATE, which locked the row: an edit may be changing the key at this moment.
    resumed = Key.objects.select_related("owner").get(pk=key.pk)
    require_rules(resumed, rules_of(key.organization_id))
    record(Action.KEY_RESUMED, key, by, {})
