"""The only way into an organization: one call fetches it and authorizes the user.

No view fetches an organization by itself, so none can forget to check who is asking.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from audit.trail.actor import Actor
from tenants.errors import Forbidden, NoAccess
from tenants.models import Membership, Organization, OrganizationQuerySet, User
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
    """Return the organizations where the user is an active member, sorted by name.

    Platform staff reach all others too, but those do not fit on a page: see Reach.
    """
    memberships = Membership.objects.active().filter(user=user).select_related("organization")
    places = [Access(user, m.organization, m, address) for m in memberships]
    return sorted(
        places, key=lambda place: (place.organization.name.casefold(), place.organization.slug)
    )


@dataclass(frozen=True)
class Reach:
    """The organizations that a caller may enter.

    `places` are those where they are a member. `staff` adds all others, for platform staff. There
    can be tens of thousands, so they are looked up one by one or selected in a query, and never all
    loaded.
    """

    places: Mapping[uuid.UUID, Access]
    staff: User | None = None
    address: str = ""

    @classmethod
    def of(cls, user: User, address: str = "") -> "Reach":
        if not user.is_active:
            return cls({})
        places = {place.organization.pk: place for place in everywhere(user, address=address)}
        return cls(places, user if user.is_staff else None, address)

    def only(self, organization_id: uuid.UUID) -> "Reach":
        """Narrow to one organization, where the user must be a member."""
        place = self.places.get(organization_id)
        return Reach({organization_id: place} if place else {})

    def get(self, organization_id: uuid.UUID) -> Access | None:
        if (place := self.places.get(organization_id)) or not self.staff:
            return place
        return next(iter(self.into(Organization.objects.filter(pk=organization_id))), None)

    def where(self, permission: Permission) -> OrganizationQuerySet:
        """Select the organizations where the user has the permission."""
        if self.staff and permission in STAFF_PERMISSIONS:
            # Membership adds nothing to this: staff have the permission wherever they could.
            found = Organization.objects.all()
            return found if permission in _READS else found.filter(suspended_at=None)
        own = [pk for pk, place in self.places.items() if place.may(permission)]
        return Organization.objects.filter(pk__in=own)

    def into(self, organizations: Iterable[Organization]) -> list[Access]:
        """Return the access to each of these, and leave out those that the user may not enter."""
        found = (self._enter(organization) for organization in organizations)
        return [place for place in found if place]

    def _enter(self, organization: Organization) -> Access | None:
        if (place := self.places.get(organization.pk)) or not self.staff:
            return place
        return Access(self.staff, organization, None, self.address)
