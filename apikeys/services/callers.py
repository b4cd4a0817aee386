"""Callers of key management, and which keys each may see and change.

A caller is a person, a key that acts for its owner, or an organization key. An organization key
acts for its organization and reaches organization keys only.
"""

import uuid
from dataclasses import dataclass
from enum import Enum

from django.db.models import Q

from apikeys.authority import Authority
from apikeys.errors import AmbiguousOrganization, NotKeyOwner, StrongerThanIssuer
from apikeys.kind import Kind
from apikeys.models import Key, KeyQuerySet
from apikeys.verify.judge import Credential
from audit.trail.actor import Actor
from tenants.access import Access, Reach, actor
from tenants.errors import Forbidden, NoAccess
from tenants.models import Membership, Organization, User
from tenants.roles import Permission


class Holding(Enum):
    """Whose a key is. It decides which permission reading, issuing and changing it require."""

    OWN = Permission.READ_MEMBERS, Permission.ISSUE_OWN_KEYS, Permission.MANAGE_MEMBERS
    ORGANIZATION = (
        Permission.READ_MEMBERS,
        Permission.ISSUE_ORGANIZATION_KEYS,
        Permission.ISSUE_ORGANIZATION_KEYS,
    )
    AGENTS = Permission.READ_AGENTS, Permission.MANAGE_AGENTS, Permission.MANAGE_AGENTS

    def __init__(self, to_read: Permission, to_issue: Permission, to_change: Permission) -> None:
        self.to_read, self.to_issue, self.to_change = to_read, to_issue, to_change

    @classmethod
    def of(cls, key: Key) -> "Holding":
        if key.kind == Kind.AGENT:
            return cls.AGENTS
        return cls.ORGANIZATION if key.is_organization_key else cls.OWN

    @property
    def condition(self) -> Q:
        kind = Kind.AGENT if self is Holding.AGENTS else Kind.PUBLIC
        return Q(kind=kind, owner__isnull=self is not Holding.OWN)


@dataclass(frozen=True, slots=True)
class IssuingPlace:
    """Where a caller may issue a key.

    `owner` is the member who would own it, and None for keys that have no owner.
    """

    organization: Organization
    owner: Membership | None


@dataclass(frozen=True, slots=True)
class Caller:
    """A person and the organizations that they reach.

    `key` is set when a key makes the call. `user` is None for an organization key.
    """

    user: User | None
    reach: Reach
    key: Credential | None = None
    address: str = ""

    @classmethod
    def person(cls, user: User, address: str = "") -> "Caller":
        return cls(user, Reach.of(user, address), address=address)

    @classmethod
    def at(cls, access: Access) -> "Caller":
        """A person in one organization."""
        return cls(access.user, Reach({access.organization.pk: access}), address=access.address)

    @classmethod
    def acting(cls, key: Credential, address: str = "") -> "Caller":
        """Act for the key's owner, in the key's organization only, or as an organization key.

        Raises Forbidden for a token without an owner.
        """
        if key.is_organization_key:
            return cls(None, Reach({}), key, address)
        owner = User.objects.filter(pk=key.owner_id).first() if key.owner_id else None
        if owner is None:
            raise Forbidden("This credential has no owner to act for.")
        # Requiring a membership keeps a key from resting on its owner's platform staff access
        # alone.
        return cls(owner, Reach.of(owner, address).only(key.organization.id), key, address)

    @property
    def id(self) -> str:
        return self.key.public_id if self.key else self._person.public_id

    @property
    def actor(self) -> Actor:
        return self.key.actor(self.address) if self.key else actor(self._person, self.address)

    @property
    def throttled_as(self) -> str:
        """Whom the limit of new keys counts: the person, also through their keys."""
        return str(self.user.pk) if self.user else self.id

    @property
    def _person(self) -> User:
        assert self.user is not None  # noqa: S101  only an organization key has no person
        return self.user

    def authority_in(self, organization_id: uuid.UUID) -> Authority:
        """What the caller may grant in that organization.

        For a key it is the key's own authority, never its owner's: a narrow key must not issue a
        broad one. The owner's present role needs no second look, because verification has already
        intersected the key's scopes with it.
        """
        if self.key:
            return self.key.authority
        place = self.reach.get(organization_id)
        return Authority.of_person(place.permissions if place else frozenset())

    def keys(self) -> KeyQuerySet:
        """The keys the caller may see."""
        if self.user is None:
            # Not its owner's keys, for it has none, and no agent keys or members' keys: whatever
            # scopes it has, an organization key reaches its own kind only.
            return Key.objects.filter(Holding.ORGANIZATION.condition & self._here())
        seen = Q(kind=Kind.PUBLIC, owner__user=self.user)
        for holding in Holding:
            places = self.reach.where(holding.to_read)
            seen |= holding.condition & Q(organization__in=places)
        return Key.objects.filter(seen & self._here())

    def keys_in(self, organization: Organization) -> KeyQuerySet:
        """The keys of one organization that the caller may see."""
        place = self.reach.get(organization.pk)
        if self.user and not self.key and place and all(place.may(h.to_read) for h in Holding):
            # The same keys as below. Without its conditions, a list of 50,000 is twice as fast.
            return Key.objects.for_organization(organization)
        return self.keys().for_organization(organization)

    def find(self, key_id: uuid.UUID) -> Key:
        """Return a key the caller may see.

        Raises NotKeyOwner for a colleague's key. Raises NoAccess for a key of another organization,
        exactly as for one that does not exist, so that ids cannot be probed.
        """
        if (
            key := self.keys()
            .select_related("organization", "owner__user")
            .filter(pk=key_id)
            .first()
        ):
            return key
        mine = Key.objects.filter(self._here(), organization__in=list(self.reach.places))
        if mine.filter(pk=key_id).exists():
            raise NotKeyOwner()
        raise NoAccess()

    def find_to_change(self, key_id: uuid.UUID, *, to_end: bool = False) -> Key:
        """Return a key the caller may change.

        Raises like `find`. Also raises Forbidden if the caller's role cannot change the key, and
        StrongerThanIssuer if the calling key does not cover it.

        `to_end` is for revoking: owners may always revoke their own keys, whatever their role is
        now.
        """
        key = self.find(key_id)
        self.require_change(key, to_end=to_end)
        return key

    def may_change(self, key: Key, *, to_end: bool = False) -> bool:
        """Whether `find_to_change` would return this key, which the caller may see."""
        try:
            self.require_change(key, to_end=to_end)
        except (Forbidden, NotKeyOwner, StrongerThanIssuer):
            return False
        return True

    def owns(self, key: Key) -> bool:
        return bool(self.user and key.owner and key.owner.user_id == self.user.pk)

    def may_in(self, organization_id: uuid.UUID, permission: Permission) -> bool:
        place = self.reach.get(organization_id)
        return place is not None and place.may(permission)

    def require_change(self, key: Key, *, to_end: bool) -> None:
        """Raise like `find_to_change` if the caller may see this key but not change it."""
        is_own = self.owns(key)
        if self.user and not (is_own and to_end):
            self._require(key, is_own=is_own)
        # Also for revoking: a leaked weak key must not end the stronger keys of its owner.
        if self.key and not self.key.authority.covers(key.authority):
            raise StrongerThanIssuer(
                "The calling key can only change keys within its own access. This one exceeds it."
            )

    def enter_to_issue(self, holding: Holding, organization_id: uuid.UUID | None) -> IssuingPlace:
        """Return the place to issue a key in.

        Raises NoAccess or Forbidden, and AmbiguousOrganization if none is named and several
        qualify.
        """
        if self.user is None:
            return self._own_organization(holding, organization_id)
        if organization_id is not None:
            place = self.reach.get(organization_id)
            if place is None:
                raise NoAccess()
            place.require(holding.to_issue)
            return _issuing_place(place, holding)
        places = self.reach.into(self.reach.where(holding.to_issue)[:2])
        if not places:
            raise Forbidden()
        if len(places) > 1:
            raise AmbiguousOrganization()
        return _issuing_place(places[0], holding)

    def _own_organization(
        self, holding: Holding, organization_id: uuid.UUID | None
    ) -> IssuingPlace:
        assert self.key is not None  # noqa: S101  only a key has no person
        if organization_id not in (None, self.key.organization.id):
            raise NoAccess()
        if holding is not Holding.ORGANIZATION:
            raise Forbidden("An organization key can only issue organization keys.")
        return IssuingPlace(Organization.objects.get(pk=self.key.organization.id), None)

    def _require(self, key: Key, *, is_own: bool) -> None:
        place, holding = self.reach.get(key.organization_id), Holding.of(key)
        if place is None:  # the key's owner is no longer a member of its organization
            raise Forbidden()
        if is_own:
            place.require(Permission.ISSUE_OWN_KEYS)
        # In a suspended organization `require` gives the better reason: no one can change anything.
        elif not place.organization.suspended_at and not place.may(holding.to_change):
            raise NotKeyOwner()
        else:
            place.require(holding.to_change)

    def _here(self) -> Q:
        return (
            Q(organization=self.key.organization.id, environment=self.key.environment)
            if self.key
            else Q()
        )


def _issuing_place(place: Access, holding: Holding) -> IssuingPlace:
    return IssuingPlace(place.organization, place.membership if holding is Holding.OWN else None)
