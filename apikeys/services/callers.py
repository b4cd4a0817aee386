"""Callers of key management, and which keys each may see and change.

A caller is a person, or a key that acts for its owner.
"""

import uuid
from dataclasses import dataclass

from django.db.models import Q

from apikeys.authority import Authority
from apikeys.errors import AmbiguousOrganization, NotKeyOwner, StrongerThanIssuer
from apikeys.kind import Kind
from apikeys.models import Key, KeyQuerySet
from apikeys.verify.judge import Credential
from audit.trail.actor import Actor
from tenants.access import Access, Reach, actor
from tenants.errors import Forbidden, NoAccess
from tenants.models import User
from tenants.roles import Permission

_TO_READ = {Kind.PUBLIC: Permission.READ_MEMBERS, Kind.AGENT: Permission.READ_AGENTS}
_TO_ISSUE = {Kind.PUBLIC: Permission.ISSUE_OWN_KEYS, Kind.AGENT: Permission.MANAGE_AGENTS}
_TO_CHANGE = {Kind.PUBLIC: Permission.MANAGE_MEMBERS, Kind.AGENT: Permission.MANAGE_AGENTS}


@dataclass(frozen=True, slots=True)
class Caller:
    """A person and the organizations that they reach.

    `key` is set when one of the user's keys makes the call.
    """

    user: User
    reach: Reach
    key: Credential | None = None
    address: str = ""

    @classmethod
    def person(cls, user: User, address: str = "") -> "Caller":
        return cls(user, Reach.of(user, address), address=address)

    @classmethod
    def acting(cls, key: Credential, address: str = "") -> "Caller":
        """Act for the key's owner, in the key's organization only.

        Raises Forbidden if it has no owner.
        """
        owner = User.objects.filter(pk=key.owner_id).first() if key.owner_id else None
        if owner is None:
            raise Forbidden("This credential has no owner to act for.")
        # Requiring a membership keeps a key from resting on its owner's platform staff access
        # alone.
        return cls(owner, Reach.of(owner, address).only(key.organization.id), key, address)

    @property
    def id(self) -> str:
        return self.key.public_id if self.key else self.user.public_id

    @property
    def actor(self) -> Actor:
        return self.key.actor(self.address) if self.key else actor(self.user, self.address)

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
        seen = Q(kind=Kind.PUBLIC, owner__user=self.user)
        for kind, permission in _TO_READ.items():
            seen |= Q(kind=kind, organization__in=self.reach.where(permission))
        return Key.objects.filter(seen & self._here())

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
        is_own = bool(key.owner and key.owner.user_id == self.user.pk)
        if not (is_own and to_end):
            self._require(key, is_own=is_own)
        # Also for revoking: a leaked weak key must not end the stronger keys of its owner.
        if self.key and not self.key.authority.covers(key.authority):
            raise StrongerThanIssuer(
                "The calling key can only change keys within its own access. This one exceeds it."
            )
        return key

    def enter_to_issue(self, kind: Kind, organization_id: uuid.UUID | None) -> Access:
        """Return the access for issuing a key of this kind.

        Raises NoAccess or Forbidden, and AmbiguousOrganization if none is named and several
        qualify.
        """
        if organization_id is not None:
            place = self.reach.get(organization_id)
            if place is None:
                raise NoAccess()
            place.require(_TO_ISSUE[kind])
            return place
        places = self.reach.into(self.reach.where(_TO_ISSUE[kind])[:2])
        if not places:
            raise Forbidden()
        if len(places) > 1:
            raise AmbiguousOrganization()
        return places[0]

    def _require(self, key: Key, *, is_own: bool) -> None:
        place = self.reach.get(key.organization_id)
        if place is None:  # the key's owner is no longer a member of its organization
            raise Forbidden()
        if is_own:
            place.require(Permission.ISSUE_OWN_KEYS)
        # In a suspended organization `require` gives the better reason: no one can change anything.
        elif not place.organization.suspended_at and not place.may(_TO_CHANGE[Kind(key.kind)]):
            raise NotKeyOwner()
        else:
            place.require(_TO_CHANGE[Kind(key.kind)])

    def _here(self) -> Q:
        return (
            Q(organization=self.key.organization.id, environment=self.key.environment)
            if self.key
            else Q()
        )
