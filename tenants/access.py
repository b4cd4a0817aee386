"""The only door into an organization: fetching it and authorizing the user are one call."""

from dataclasses import dataclass

from audit.trail.actor import Actor
from tenants.errors import Forbidden, NoAccess
from tenants.models import Membership, Organization, User
from tenants.roles import PERMISSIONS, STAFF_PERMISSIONS, Permission, Role

_READS = frozenset(
    {
        Permission.READ_ACTIVITY,
        Permission.READ_TRAIL,
        Permission.READ_AGENTS,
        Permission.READ_MEMBERS,
    }
)


@dataclass(frozen=True, slots=True)
class Access:
    """A user inside one organization. `membership` is None for platform staff who are not members."""

    user: User
    organization: Organization
    membership: Membership | None
    address: str = ""

    @property
    def permissions(self) -> frozenset[Permission]:
        granted = PERMISSIONS[Role(self.membership.role)] if self.membership else frozenset()
        if self.user.is_staff:
            granted |= STAFF_PERMISSIONS
        return granted & _READS if self.organization.suspended_at else granted

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise Forbidden unless the role has the permission. In a suspended organization nothing can be changed."""
        if self.may(permission):
            return
        if self.organization.suspended_at:
            raise Forbidden(
                "This organization is suspended: everything can be read, nothing can be changed."
            )
        raise Forbidden()

    @property
    def actor(self) -> Actor:
        return actor(self.user, self.address)


def actor(user: User, address: str = "") -> Actor:
    return Actor(kind="user", id=user.public_id, name=user.email, address=address)


def enter(user: User, slug: str, permission: Permission, *, address: str = "") -> Access:
    """Let `user` into the organization. Raises NoAccess to outsiders, Forbidden to roles too low."""
    access = _find(user, slug, address)
    access.require(permission)
    return access


def _find(user: User, slug: str, address: str) -> Access:
    if not user.is_active:
        raise NoAccess()
    memberships = Membership.objects.active().select_related("organization")
    if membership := memberships.filter(user=user, organization__slug=slug).first():
        return Access(user, membership.organization, membership, address)
    if user.is_staff and (organization := Organization.objects.filter(slug=slug).first()):
        return Access(user, organization, None, address)
    raise NoAccess()


def everywhere(user: User, *, address: str = "") -> list[Access]:
    """Every organization that `user` has a place in, by name. Platform staff have one in all of them."""
    memberships = Membership.objects.active().filter(user=user).select_related("organization")
    places = {m.organization_id: Access(user, m.organization, m, address) for m in memberships}
    if user.is_staff:
        for organization in Organization.objects.exclude(pk__in=places):
            places[organization.pk] = Access(user, organization, None, address)
    return sorted(
        places.values(),
        key=lambda access: (access.organization.name.casefold(), access.organization.slug),
    )
