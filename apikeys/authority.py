"""What somebody may do, and so may hand on. Pure.

One rule stands over issuing, editing and rotating: nobody, person or key, ends up with a secret that is stronger
than they are. `require_covers` is that rule; whatever makes a secret or widens a key asks it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apikeys import networks, scopes
from apikeys.errors import ScopeNotGrantable, StrongerThanIssuer
from apikeys.networks import Network
from config.lib.environment import Environment
from tenants.roles import Permission


@dataclass(frozen=True, slots=True)
class Authority:
    """`expires_at` is when it ends, None: never. `allowed` is where from it may be used, empty: from anywhere."""

    scopes: frozenset[str]
    environments: frozenset[str]
    expires_at: datetime | None = None
    allowed: tuple[Network, ...] = ()

    @classmethod
    def of_person(cls, permissions: frozenset[Permission]) -> "Authority":
        return cls(scopes.held_with(permissions), frozenset(Environment.values))

    @classmethod
    def of_key(
        cls,
        names: Iterable[str],
        environment: str,
        expires_at: datetime | None,
        allowed: tuple[Network, ...],
    ) -> "Authority":
        return cls(scopes.expand(names), frozenset({environment}), expires_at, allowed)

    def covers(self, other: "Authority") -> bool:
        return other.scopes <= self.scopes and self._reaches(other)

    def _reaches(self, other: "Authority") -> bool:
        lasts = self.expires_at is None or (
            other.expires_at is not None and other.expires_at <= self.expires_at
        )
        return (
            lasts
            and other.environments <= self.environments
            and networks.cover(self.allowed, other.allowed)
        )

    def require_covers(self, wanted: "Authority") -> None:
        """Raises ScopeNotGrantable or StrongerThanIssuer where `wanted` is more than this."""
        if wanted.scopes - self.scopes:
            raise ScopeNotGrantable("A scope of the key is more than you may hold yourself.")
        if not self._reaches(wanted):
            raise StrongerThanIssuer()
