"""Rotate: a new secret beneath the same key, and how long the old one still works."""

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
    """The key with its new secret. From `effective_at` on the old one is refused everywhere."""

    key: Key
    plaintext: Plaintext
    rotated_at: datetime
    old_expires_at: datetime
    effective_at: datetime


def rotate(*, key: Key, grace: timedelta, within: Authority, by: Actor) -> Rotated:
    """Replace the key's secret; the old one works for `grace` from now on, which may be nothing.

    It hands out a secret, so it is bound by the power of who asks as issuing is. Raises NotUsable for a key that is
    revoked or expired, or that somebody else rotated just now. A secret that an earlier rotation left working ends at
    once: a key never has more than two.
    """
    replaced = Secret.objects.get(key=key, retired_at=None)
    plaintext, made = make_secret(key)
    with transaction.atomic():
        locked = lock_usable(key)
        require_authority(locked, within)
        made.created_at = now = timezone.now()
        Secret.objects.filter(key=key, retired_at__gt=now).update(retired_at=now)
        if not Secret.objects.filter(pk=replaced.pk, retired_at=None).update(
            retired_at=now + grace
        ):
            raise NotUsable("Somebody else rotated this key just now.")
        made.save(force_insert=True)
        data = {
            "mask": plaintext.mask,
            "old_mask": replaced.mask,
            "old_expires_at": (now + grace).isoformat(),
        }
        record(Action.KEY_ROTATED, locked, by, data)
    receipt = leases.end()
    return Rotated(key, plaintext, now, now + grace, max(receipt.effective_at, now + grace))
