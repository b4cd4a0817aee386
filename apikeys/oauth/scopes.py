"""Which scopes an application can be granted, and through whom."""

from apikeys import scopes
from apikeys.kind import Kind
from apikeys.scopes import Scope
from tenants.models import Membership
from tenants.roles import Role


def offered() -> list[Scope]:
    """What an admin may let an application ask for: what an admin may hold. `admin` itself only an owner could grant."""
    held = scopes.held_by(Role.ADMIN)
    return [scope for scope in scopes.of_kind(Kind.PUBLIC) if scope.name in held]


def grantable() -> frozenset[str]:
    return frozenset(scope.name for scope in offered())


def held_by(membership: Membership) -> frozenset[str]:
    """What this person may pass on."""
    return held_in(membership.role)


def held_in(role: str | None) -> frozenset[str]:
    """What a token may do through somebody with this role, or through nobody (client credentials)."""
    return grantable() & scopes.held_by(role) if role else grantable()
