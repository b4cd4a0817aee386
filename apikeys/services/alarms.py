"""Alarms: a retired secret was presented. Its caller missed the rotation, or it has leaked.

The drainer notes the request with the usage (apikeys.usage.storage) and reports it here, never the
request itself. One secret is reported once an hour at most.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from apikeys.models import Key, RetiredUse
from apikeys.services.change import record
from apikeys.services.hosts import hosts_on
from apikeys.stored_secret import Secret
from audit.trail.actions import Action
from audit.trail.actor import Actor

EVERY = timedelta(hours=1)
MOST_HOSTS = 20
_BY = Actor.system("rotation")


@dataclass(frozen=True, slots=True)
class RetiredSecretAlarm:
    """A refused request with a retired secret.

    `hosts` are the agents that used the secret last, while it worked.
    """

    key: Key
    secret: Secret
    at: datetime
    address: str
    user_agent: str
    hosts: list[str]


_listeners: list[Callable[[RetiredSecretAlarm], None]] = []


def on_alarm(listener: Callable[[RetiredSecretAlarm], None]) -> None:
    """Call `listener` in the transaction that records the alarm in the trail."""
    _listeners.append(listener)


def unreported() -> QuerySet[RetiredUse]:
    return RetiredUse.objects.filter(_IS_DUE)


def report(use: RetiredUse, at: datetime) -> None:
    """Record the alarm and pass it on, unless another drainer has done so."""
    # Conditional, and by the time of the requests: a drain that catches up after an outage reports
    # no more than one that ran all the time.
    if not unreported().filter(pk=use.pk).update(reported_at=use.at):
        return
    secret = Secret.objects.select_related("key__organization").filter(pk=use.secret_id).first()
    if secret is None:
        return
    alarm = _alarm(secret, use)
    data = {
        "mask": secret.mask,
        "used_at": use.at.isoformat(),
        "address": use.address,
        "user_agent": use.user_agent,
        "hosts": alarm.hosts,
    }
    record(Action.KEY_RETIRED_SECRET_USED, secret.key, _BY, data)
    for listener in _listeners:
        listener(alarm)


def alarms_of(key: Key) -> list[RetiredSecretAlarm]:
    """Return the latest use of each of the key's retired secrets, newest first."""
    uses = {use.secret_id: use for use in RetiredUse.objects.filter(key_id=key.pk)}
    secrets = Secret.objects.select_related("key").filter(pk__in=uses)
    found = [_alarm(secret, uses[secret.pk]) for secret in secrets]
    return sorted(found, key=lambda alarm: alarm.at, reverse=True)


def _alarm(secret: Secret, use: RetiredUse) -> RetiredSecretAlarm:
    hosts = hosts_on(secret)[:MOST_HOSTS]
    return RetiredSecretAlarm(secret.key, secret, use.at, use.address, use.user_agent, hosts)


_IS_DUE = Q(reported_at=None) | Q(at__gte=F("reported_at") + EVERY)
