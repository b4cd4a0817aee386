"""Carry rotations on after usage was drained: activate, finish, lapse, and report retired secrets.

Verification writes nothing, so the first use of a pending secret shows only in the usage. Each step
is decided from what is stored, under the lock of the key, in a transaction of its own. A drainer
that is killed before it leaves nothing undone: the next one finds the same rows. While no drainer
runs, nothing is activated and the old secret keeps working.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from django.db import transaction

from apikeys.models import Key
from apikeys.services import alarms
from apikeys.services.change import record
from apikeys.services.hosts import host_progress
from apikeys.stored_secret import Secret
from apikeys.usage.first_use import first_use, is_used
from audit.trail.actions import Action
from audit.trail.actor import Actor
from config.lib.errors import TrailUnavailable
from tenants import conf

logger = logging.getLogger(__name__)

Row = TypeVar("Row")

_BY = Actor.system("rotation")


def settle(at: datetime) -> bool:
    """Do what the stored usage calls for. Idempotent.

    Return False if the trail could not be written, so that a later call has to finish the work.
    """
    used = Secret.objects.pending().filter(is_used())
    # Found by the end of the old secret, which few secrets have, and which lies in the future for
    # the rotations in progress only.
    last_hosts = Secret.objects.filter(
        retired_at__gt=at + conf.lease(),
        key__secrets__ends_with_last_host=True,
        key__secrets__retired_at=None,
        key__secrets__activated_at__isnull=False,
    )
    return all(
        [
            _each(used, _activate, at),
            _each(last_hosts, _finish, at),
            _each(alarms.unreported(), alarms.report, at),
        ]
    )


def lapse(at: datetime) -> None:
    """End pending secrets that were not used in time. Their keys keep the old secret."""
    unused = Secret.objects.pending().filter(~is_used(), lapses_at__lte=at)
    _each(unused, _lapse, at)


def _each(rows: Iterable[Row], do: Callable[[Row, datetime], None], at: datetime) -> bool:
    is_done = True
    for row in rows:
        try:
            with transaction.atomic():
                do(row, at)
        except TrailUnavailable as error:
            # The trail of one organization must not hold up the rotations of the others.
            logger.error("A rotation could not be recorded: %s", error)
            is_done = False
    return is_done


def _activate(pending: Secret, at: datetime) -> None:
    key = _lock(pending)
    # Under the lock, which every change of a key's secrets takes: another drainer may have been
    # faster, or a person may have ended or replaced the secret.
    if not Secret.objects.pending().filter(pk=pending.pk).exists():
        return
    use = first_use(pending)
    # Between the two, because clocks of hosts differ.
    used_at = min(max(use.at, pending.created_at), at) if use else at
    # A drain that comes late must not end the old secret in the past, and a process may still
    # trust for one lease what it read before this commit.
    ends_at = max(used_at + pending.grace, at + conf.lease())
    old = Secret.objects.live().get(key=key)
    # The old one first: the key has one live secret at every moment.
    Secret.objects.filter(pk=old.pk).update(retired_at=ends_at)
    Secret.objects.filter(pk=pending.pk).update(activated_at=used_at)
    data = {
        "mask": pending.mask,
        "first_used_at": used_at.isoformat(),
        "address": use.address if use else "",
        "old_mask": old.mask,
        "old_expires_at": ends_at.isoformat(),
    }
    record(Action.KEY_SECRET_ACTIVATED, key, _BY, data)


def _finish(old: Secret, at: datetime) -> None:
    """End the old secret if no host uses it any longer."""
    key = _lock(old)
    progress = host_progress(key, at)
    if progress is None or not progress.is_finished:
        return
    ends_at = at + conf.lease()
    if not Secret.objects.filter(pk=old.pk, retired_at__gt=ends_at).update(retired_at=ends_at):
        return
    data = {"old_mask": old.mask, "old_expires_at": ends_at.isoformat(), "hosts": progress.total}
    record(Action.KEY_ROTATION_FINISHED, key, _BY, data)


def _lapse(pending: Secret, at: datetime) -> None:
    key = _lock(pending)
    # With the condition on its use once more: the line may have been drained in the meantime.
    unused = Secret.objects.pending().filter(~is_used(), pk=pending.pk)
    if unused.update(retired_at=at):
        live = Secret.objects.live().get(key=key)
        record(Action.KEY_SECRET_LAPSED, key, _BY, {"mask": pending.mask, "live_mask": live.mask})


def _lock(secret: Secret) -> Key:
    return Key.objects.select_for_update(of=("self",)).get(pk=secret.key_id)
