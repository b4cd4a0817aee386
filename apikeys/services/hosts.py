"""Which hosts of an agent key have moved to its new secret.

An agent's row remembers the secret of its last accepted heartbeat or batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.stored_secret import Secret, SecretState
from tenants.models import Agent


@dataclass(frozen=True, slots=True)
class HostProgress:
    """The hosts that last used the new secret of a key, and those that have not used it yet."""

    moved: Sequence[str]
    remaining: Sequence[str]

    @property
    def total(self) -> int:
        return len(self.moved) + len(self.remaining)

    @property
    def is_finished(self) -> bool:
        """Whether every known host has moved. Without a known host there is nothing to conclude."""
        return bool(self.moved) and not self.remaining


def host_progress(key: Key, at: datetime) -> HostProgress | None:
    """Return the progress of the rotation, or None without one or for a key without agents."""
    usable = key.usable_secrets(at)
    if key.kind != Kind.AGENT or len(usable) < 2:
        return None
    new = next(secret for secret in usable if secret.state(at) is not SecretState.RETIRING)
    agents = Agent.objects.filter(organization_id=key.organization_id, key_id=key.pk)
    rows = agents.order_by("host").values_list("host", "secret_id")
    return HostProgress(
        moved=[host for host, secret_id in rows if secret_id == new.pk],
        remaining=[host for host, secret_id in rows if secret_id != new.pk],
    )


def hosts_on(secret: Secret) -> list[str]:
    """Return the hosts that last used this secret."""
    agents = Agent.objects.filter(organization_id=secret.key.organization_id, secret_id=secret.pk)
    return list(agents.order_by("host").values_list("host", flat=True))
