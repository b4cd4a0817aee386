"""Which scopes an application can be granted, and through whom."""

from apikeys import scopes
from apikeys.kind import Kind
from apikeys.scopes import Scope
from tenants.models import Membership


def offered() -> list[Scope]:
    """What an admin may let an application ask for."""
    return [scope for scope in scopes.of_kind(Kind.PUBLIC) if scope.is_active]


def grantable() -> frozenset[str]:
    return frozenset(scope.name for scope in offered())


def held_by(membership: Membership) -> frozenset[str]:
    """What this person may pass on."""
    return grantable()
