"""The only way into an organization: one call fetches it and authorizes the user.

No view fetches an organization by itself, so none can forget to check who is asking.
"""

from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True)  # no slots: cached_property keeps its value in the instance's __dict__
class Access:
    """A user inside one organization, for one request.

    `membership` is None for platform staff who are not members.
    """

    user: User
    organization: Organization
    membership: Membership | None
    address: str = ""

    @cached_property
    def permissions(self) -> frozenset[Permission]:
        # Cached, because a page asks for each of its links. An Access must not outlive its request:
        # a change of role or a suspension counts from the next one.
        granted = PERMISSIONS[Role(self.membership.role)] if self.membership else frozenset()
        if self.user.is_staff:
            granted |= STAFF_PERMISSIONS
        # Last, so that a suspension also binds platform staff. An intersection, so that it takes
        # away and never gives: an auditor does not gain what only members read.
        return granted & _READS if self.organization.suspended_at else granted

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise Forbidden unless the user has the permission here.

        A suspended organization can be read and not changed, whatever the role.
        """
        if self.may(permission):
            return
        if self.organization.suspended_at:
            raise Forbidden(
                "This organization is suspended. You can read everything and change nothing."
            )
        raise Forbidden()

    @property
    def actor(self) -> Actor:
        return actor(self.user, self.address)


def actor(user: User, address: str = "") -> Actor:
    return Actor(kind="user", id=user.public_id, name=user.email, address=address)


def enter(user: User, slug: str, permission: Permission, *, address: str = "") -> Access:
    """Let `user` into the organization.

    Raises NoAccess to outsiders, Forbidden to roles too low.
    """
    # Membership before permission. The other order would answer an outsider with Forbidden, which
    # says that the organization exists.
    access = _find(user, slug, address)
    access.require(permission)
    return access


def _find(user: User, slug: str, address: str) -> Access:
    # Before the membership, and for platform staff too: disabling an account leaves both in place.
    if not user.is_active:
        raise NoAccess()
    # Only active memberships: deactivated and removed ones stay in the table, for the audit log.
    memberships = Membership.objects.active().select_related("organization")
    # One query filters by user and slug together. A query for the slug alone, with a check after
    # it, would take longer for an organization that exists than for one that does not.
    if membership := memberships.filter(user=user, organization__slug=slug).first():
        # Before the staff rule: a staff member who also belongs here keeps the role they were
        # given.
        return Access(user, membership.organization, membership, address)
    if user.is_staff and (organization := Organization.objects.filter(slug=slug).first()):
        return Access(user, organization, None, address)
    # The same error whether the organization is unknown or merely closed to this user.
    raise NoAccess()


def everywhere(user: User, *, address: str = "") -> list[Access]:
    """Return the user's organizations, sorted by name. Platform staff get all of them."""
    memberships = Membership.objects.active().filter(user=user).select_related("organization")
    places = {m.organization_id: Access(user, m.organization, m, address) for m in memberships}
    if user.is_staff:
        for organization in Organization.objects.exclude(pk__in=places):
            places[organization.pk] = Access(user, organization, None, address)
    return sorted(
        places.values(),
        key=lambda access: (access.organization.name.casefold(), access.organization.slug),
    )
