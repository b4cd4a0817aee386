"""The secrets of a key side by side, with their use, the hosts that moved, and the alarms."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apikeys.models import Key
from apikeys.services.alarms import RetiredSecretAlarm, alarms_of
from apikeys.services.callers import Caller
from apikeys.services.hosts import HostProgress, host_progress
from apikeys.stored_secret import Secret, SecretState
from apikeys.usage.statistics import SecretUse

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
    caller: Caller, key: Key, uses: Sequence[SecretUse], at: datetime
) -> SecretsPanel:
    """`uses` are the `secrets` of the key's statistics."""
    may_change = _may_change(caller, key, at)
    states = [use.secret.state(at) for use in uses]
    usable = sum(state in _USABLE for state in states)
    rows = [
        ShownSecret(use, state, can_end=may_change and usable > 1 and state in _USABLE)
        for use, state in zip(uses, states, strict=True)
    ]
    hosts = host_progress(key, at)
    return SecretsPanel(rows, hosts, alarms_of(key), may_change, is_rotating=usable > 1)


def _may_change(caller: Caller, key: Key, at: datetime) -> bool:
    is_over = bool(key.revoked_at or (key.expires_at and key.expires_at <= at))
    return not is_over and caller.may_change(key)
