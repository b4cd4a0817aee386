"""Which scopes an application can be granted, and which a token has through its user's role."""

from apikeys import scopes
from apikeys.kind import Kind
from apikeys.scopes import Scope
from tenants.models import Membership
from tenants.roles import Role


def offered() -> list[Scope]:
    """The scopes an application can request: those an admin may hold.

    That excludes `admin`, which only an owner can grant.
    """
    held = scopes.held_by(Role.ADMIN)
    return [scope for scope in scopes.of_kind(Kind.PUBLIC) if scope.name in held]


def grantable() -> frozenset[str]:
    return frozenset(scope.name for scope in offered())


def held_by(membership: Membership) -> frozenset[str]:
    """The scopes this member can grant to an application."""
    return held_in(membership.role)


def held_in(role: str | None) -> frozenset[str]:
    """The scopes a token can have through this role.

    None is for client credentials, with no user.
    """
    return grantable() & scopes.held_by(role) if role else grantable()
