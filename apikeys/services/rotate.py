"""Rotate a key: give it a new secret, and let the old one work for a grace period."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from apikeys.authority import Authority
from apikeys.errors import NotUsable
from apikeys.models import Key, Secret
from apikeys.services.change import lock_usable, make_secret, record, require_authority
from apikeys.verify.secret import Plaintext
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.changes import leases

LONGEST_GRACE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Rotated:
    """The key and its new secret. Every process refuses the old secret from `effective_at` on."""

    key: Key
    plaintext: Plaintext
    rotated_at: datetime
    old_expires_at: datetime
    effective_at: datetime


def rotate(*, key: Key, grace: timedelta, within: Authority, by: Actor) -> Rotated:
    """Replace the key's secret. The old one keeps working for `grace`, which may be zero.

    Rotating hands out a secret, so it requires the same authority as issuing. A secret that is
    still working after an earlier rotation ends at once, because a key never has more than two.
    Raises NotUsable if the key is revoked or expired, or if another request has just rotated it.
    """
    # Read before the lock on purpose: this is the secret the caller decided to replace. If another
    # rotation comes first, the UPDATE below matches no row, and this caller does not retire the
    # secret that the other one has just been shown.
    replaced = Secret.objects.get(key=key, retired_at=None)
    plaintext, secret = make_secret(key)
    with transaction.atomic():
        locked = lock_usable(key)
        require_authority(locked, within)
        # Take the time after waiting for the lock. An earlier time would lie before the other
        # rotation's, and the guard counts usable secrets at `created_at`.
        secret.created_at = now = timezone.now()
        # In this order: end the overlap, retire the current secret, insert the new one. Any other
        # order breaks key_has_at_most_two_usable_secrets or key_has_one_live_secret.
        Secret.objects.filter(key=key, retired_at__gt=now).update(retired_at=now)
        if not Secret.objects.filter(pk=replaced.pk, retired_at=None).update(
            retired_at=now + grace
        ):
            raise NotUsable("This key was rotated by another request a moment ago.")
        secret.save(force_insert=True)
        data = {
            "mask": plaintext.mask,
            "old_mask": replaced.mask,
            "old_expires_at": (now + grace).isoformat(),
        }
        record(Action.KEY_ROTATED, locked, by, data)
    # Even with a grace period: the secret of an earlier overlap may have ended just now.
    receipt = leases.end()
    return Rotated(key, plaintext, now, now + grace, max(receipt.effective_at, now + grace))
