"""What a person or a key may do, and may therefore hand on. Pure.

One rule governs issuing, editing and rotating: no person and no key gets a secret that is stronger
than they are. `require_covers` is that rule. Every service that makes a secret or widens a key
calls it.
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
    """Scopes, environments, an end and networks.

    `expires_at` None means that it never ends. `allowed` empty means that it holds from anywhere.
    """

    scopes: frozenset[str]
    environments: frozenset[str]
    expires_at: datetime | None = None
    allowed: tuple[Network, ...] = ()

    @classmethod
    def of_person(cls, permissions: frozenset[Permission]) -> "Authority":
        # No end and no networks: a person signs in from anywhere, for as long as they are a member.
        return cls(scopes.held_with(permissions), frozenset(Environment.values))

    @classmethod
    def of_organization(cls) -> "Authority":
        """The most that any organization key can have."""
        return cls(scopes.of_organization(), frozenset(Environment.values))

    @classmethod
    def of_key(
        cls,
        names: Iterable[str],
        environment: str,
        expires_at: datetime | None,
        allowed: tuple[Network, ...],
    ) -> "Authority":
        # Expanded, so that `admin` is compared as all the scopes it stands for. By its name alone,
        # a key with `admin` could not issue a key with any other scope.
        return cls(scopes.expand(names), frozenset({environment}), expires_at, allowed)

    def covers(self, other: "Authority") -> bool:
        return other.scopes <= self.scopes and self._reaches(other)

    def _reaches(self, other: "Authority") -> bool:
        # None is the longest end, not the shortest. A key without an end is covered only by an
        # authority without one; otherwise an expiring key could issue one that never expires.
        lasts = self.expires_at is None or (
            other.expires_at is not None and other.expires_at <= self.expires_at
        )
        return (
            lasts
            and other.environments <= self.environments
            # The same trap: no networks means every network, so a bound key cannot issue an unbound
            # one. `cover` also requires each network of `other` to lie inside those of `self`.
            and networks.cover(self.allowed, other.allowed)
        )

    def require_covers(self, wanted: "Authority") -> None:
        """Raise ScopeNotGrantable or StrongerThanIssuer if `wanted` exceeds this authority."""
        # A difference and not an overlap: one scope that the issuer lacks is one too many.
        if wanted.scopes - self.scopes:
            raise ScopeNotGrantable("You cannot grant a scope that you do not hold yourself.")
        if not self._reaches(wanted):
            raise StrongerThanIssuer()
