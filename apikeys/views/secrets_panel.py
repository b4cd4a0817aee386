"""The secrets of a key side by side, with their use, the hosts that moved, and the alarms."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from apikeys.models import Key
from apikeys.services.alarms import RetiredSecretAlarm, alarms_of
from apikeys.services.callers import Caller
from apikeys.services.hosts import HostProgress, host_progress
from apikeys.stored_secret import Secret, SecretState
from apikeys.usage.statistics import SecretUse
from config.lib.errors import KeywayError
from tenants.sign_in.recent import person

MOST_HOSTS_SHOWN = 20
_USABLE = {SecretState.PENDING, SecretState.LIVE, SecretState.RETIRING}


@dataclass(frozen=True, slots=True)
class ShownSecret:
    use: SecretUse
    state: SecretState
    can_end: bool

    @property
    def secret(self) -> Secret:
        return self.use.secret


@dataclass(frozen=True, slots=True)
class SecretsPanel:
    """What `apikeys/secrets.html` and `apikeys/alarms.html` show."""

    rows: Sequence[ShownSecret]
    hosts: HostProgress | None
    alarms: Sequence[RetiredSecretAlarm]
    can_rotate: bool
    is_rotating: bool

    @property
    def hosts_left(self) -> Sequence[str]:
        return self.hosts.remaining[:MOST_HOSTS_SHOWN] if self.hosts else ()

    @property
    def more_hosts_left(self) -> int:
        return max(len(self.hosts.remaining) - MOST_HOSTS_SHOWN, 0) if self.hosts else 0


def secrets_panel(
    request: HttpRequest, key: Key, uses: Sequence[SecretUse], at: datetime
) -> SecretsPanel:
    """`uses` are the `secrets` of the key's statistics."""
    may_change = _may_change(request, key, at)
    states = [use.secret.state(at) for use in uses]
    usable = sum(state in _USABLE for state in states)
    rows = [
        ShownSecret(use, state, can_end=may_change and usable > 1 and state in _USABLE)
        for use, state in zip(uses, states, strict=True)
    ]
    hosts = host_progress(key, at)
    return SecretsPanel(rows, hosts, alarms_of(key), may_change, is_rotating=usable > 1)


def _may_change(request: HttpRequest, key: Key, at: datetime) -> bool:
    if key.revoked_at or (key.expires_at and key.expires_at <= at):
        return False
    try:
        Caller.person(person(request)).find_to_change(key.pk)
    except KeywayError:
        return False
    return True
