"""Revoke, pause, resume."""

from django.db import transaction
from django.utils import timezone

from apikeys.errors import AlreadyRevoked, NotUsable
from apikeys.models import Key
from apikeys.services.change import record
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.changes import leases
from tenants.changes.leases import Receipt


def revoke(*, key: Key, by: Actor, reason: str = "") -> Receipt:
    """Revoke for good. Raises AlreadyRevoked if somebody got there first."""
    with transaction.atomic():
        if not Key.objects.filter(pk=key.pk, revoked_at=None).update(
            revoked_at=timezone.now(), revoke_reason=reason
        ):
            raise AlreadyRevoked()
        record(Action.KEY_REVOKED, key, by, {"reason": reason} if reason else {})
    return leases.end()


def pause(*, key: Key, by: Actor) -> Receipt:
    """Refuse the key until it is resumed. Raises NotUsable for a key that is revoked or paused already."""
    with transaction.atomic():
        if not Key.objects.filter(pk=key.pk, revoked_at=None, paused_at=None).update(
            paused_at=timezone.now()
        ):
            raise NotUsable("Only a key that is neither revoked nor paused can be paused.")
        record(Action.KEY_PAUSED, key, by, {})
    return leases.end()


@transaction.atomic
def resume(*, key: Key, by: Actor) -> None:
    """Raises NotUsable for a key that is revoked or not paused."""
    if not Key.objects.filter(pk=key.pk, revoked_at=None, paused_at__isnull=False).update(
        paused_at=None
    ):
        raise NotUsable("Only a paused key can be resumed.")
    record(Action.KEY_RESUMED, key, by, {})
