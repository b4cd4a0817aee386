"""Rotate a key: give it a new secret, and let the old one work for a grace period."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from apikeys.authority import Authority
from apikeys.errors import AlreadyRotated, NotUsable
from apikeys.models import Key
from apikeys.services.change import lock_usable, make_secret, record, require_authority
from apikeys.stored_secret import Secret
from apikeys.verify.secret import Plaintext
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.changes import leases

LONGEST_GRACE = timedelta(days=7)
LAPSES_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Overlap:
    """How long the old secret works beside the new one.

    `grace` counts from the first use of the new secret. `ends_with_last_host` ends the old secret
    earlier, as soon as every known host of an agent key has moved.
    """

    grace: timedelta
    ends_with_last_host: bool = False


NO_OVERLAP = Overlap(timedelta(0))


@dataclass(frozen=True, slots=True)
class Rotated:
    """The key and its new secret.

    Without an overlap every process refuses the old secret from `effective_at` on. With one, the
    new secret is pending until `lapses_at`, and the old one has no end yet.
    """

    key: Key
    plaintext: Plaintext
    rotated_at: datetime
    old_expires_at: datetime | None
    effective_at: datetime | None
    lapses_at: datetime | None


def rotate(
    *,
    key: Key,
    overlap: Overlap,
    within: Authority,
    by: Actor,
    idempotency_key: str | None = None,
) -> Rotated:
    """Make a new secret for the key.

    Rotating hands out a secret, so it requires the same authority as issuing. A key never has more
    than two usable secrets: without an overlap all others end now, and with one only the live
    secret stays. Raises NotUsable if the key is revoked or expired, or if another request has just
    rotated it, and AlreadyRotated if this idempotency key made a secret of this key before.
    """
    # Read before the lock on purpose: this is the secret the caller decided to replace. If another
    # rotation comes first, the comparison below fails, and this caller does not end the secret
    # that the other one has just been shown.
    newest = _newest(key)
    _refuse_replay(key, idempotency_key)
    plaintext, secret = make_secret(key)
    with transaction.atomic():
        locked = lock_usable(key)
        require_authority(locked, within)
        _require_unrotated(key, newest, idempotency_key)
        # Take the time after waiting for the lock. An earlier time would lie before the other
        # rotation's, and the guard counts usable secrets at `created_at`.
        secret.created_at = now = timezone.now()
        secret.idempotency_key = idempotency_key
        # End the others first. Any other order breaks key_has_at_most_two_usable_secrets or
        # key_has_one_live_secret.
        old = _make_room(key, now, overlap)
        _let_wait(secret, overlap)
        secret.save(force_insert=True)
        record(Action.KEY_ROTATED, locked, by, _recorded(secret, old, now))
    # Even with a grace period: the secret of an earlier overlap may have ended just now.
    effective_at = leases.end().effective_at
    if overlap.grace:
        return Rotated(key, plaintext, now, None, None, secret.lapses_at)
    return Rotated(key, plaintext, now, now, max(effective_at, now), None)


def _newest(key: Key) -> uuid.UUID:
    """Return the id of the secret made last, whatever its state."""
    newest = Secret.objects.filter(key=key).order_by("-created_at", "-pk")
    return newest.values_list("pk", flat=True)[0]


def _refuse_replay(key: Key, idempotency_key: str | None) -> None:
    if idempotency_key and Secret.objects.filter(key=key, idempotency_key=idempotency_key).exists():
        raise AlreadyRotated()


def _require_unrotated(key: Key, newest: uuid.UUID, idempotency_key: str | None) -> None:
    """Call under the lock, where no concurrent copy of the form can come between."""
    _refuse_replay(key, idempotency_key)
    if _newest(key) != newest:
        raise NotUsable("This key was rotated by another request a moment ago.")


def _make_room(key: Key, now: datetime, overlap: Overlap) -> Secret:
    """End all usable secrets, or with an overlap all but the live one, and return that one."""
    live = Secret.objects.live().get(key=key)
    ending = Secret.objects.usable(now).filter(key=key)
    if overlap.grace:
        ending = ending.exclude(pk=live.pk)
    ending.update(retired_at=now)
    return live


def _let_wait(secret: Secret, overlap: Overlap) -> None:
    """With an overlap, make the secret pending until its first use."""
    if overlap.grace:
        secret.lapses_at = secret.created_at + LAPSES_AFTER
        secret.grace_seconds = int(overlap.grace.total_seconds())
        secret.ends_with_last_host = overlap.ends_with_last_host


def _recorded(secret: Secret, old: Secret, now: datetime) -> dict[str, object]:
    data: dict[str, object] = {"mask": secret.mask, "old_mask": old.mask}
    if secret.lapses_at is None:
        return data | {"old_expires_at": now.isoformat()}
    return data | {
        "grace_seconds": secret.grace_seconds,
        "ends_with_last_host": secret.ends_with_last_host,
        "lapses_at": secret.lapses_at.isoformat(),
    }
