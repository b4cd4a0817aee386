"""The people and webhooks that notices go to."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from apikeys.notices.causes import (
    ANY_NEW_KEY,
    FOR_ADMINS_WHOEVER_OWNS,
    FOR_PEOPLE,
    FOR_PEOPLE_WHO_MANAGE,
    Cause,
)
from apikeys.notices.models import (
    Notice,
    OrganizationNotifications,
    PersonNotifications,
    Webhook,
    admins_causes,
)
from tenants.models import Membership, User
from tenants.roles import PERMISSIONS, Permission

_DEFAULTS = {choice.name: choice.is_on for choice in (*FOR_PEOPLE, FOR_PEOPLE_WHO_MANAGE)}
MANAGING_ROLES = [
    role for role, granted in PERMISSIONS.items() if Permission.MANAGE_NOTIFICATIONS in granted
]


class Why(Enum):
    """Why a person gets an email, and so how it is worded and where they can stop it."""

    PERSONAL = "it is about them"
    ADMIN = "the organization emails its admins"
    CURIOUS = "they manage the organization and chose it"


@dataclass(frozen=True, slots=True)
class Reader:
    user: User
    why: Why


class Audience:
    """Reads everything about some notices in a fixed number of queries."""

    def __init__(self, notices: Sequence[Notice]) -> None:
        organizations = {n.organization_id for n in notices if n.organization_id}
        self._settings = OrganizationNotifications.objects.in_bulk(organizations)
        self._managers: dict[uuid.UUID, list[Membership]] = defaultdict(list)
        for membership in _managers(organizations):
            self._managers[membership.organization_id].append(membership)
        self._people, self._present = _people(notices)
        users = {*self._people, *(m.user_id for ms in self._managers.values() for m in ms)}
        self._choices = {
            row.pk: row.choices for row in PersonNotifications.objects.filter(pk__in=users)
        }
        self._webhooks: dict[uuid.UUID, list[Webhook]] = defaultdict(list)
        for webhook in Webhook.objects.enabled().filter(organization__in=organizations):
            self._webhooks[webhook.organization_id].append(webhook)

    def webhooks(self, notice: Notice) -> list[Webhook]:
        ours = self._webhooks.get(notice.organization_id or uuid.UUID(int=0), [])
        return [webhook for webhook in ours if notice.cause in webhook.causes]

    def readers(self, notice: Notice) -> Iterator[Reader]:
        """Yield each person once. The author of a change gets no email about it."""
        seen = {_author(notice)}
        for reader in (*self._personal(notice), *self._admins(notice), *self._curious(notice)):
            if reader.user.public_id not in seen:
                seen.add(reader.user.public_id)
                yield reader

    def _personal(self, notice: Notice) -> Iterator[Reader]:
        if notice.cause == Cause.APPROVAL_REQUESTED or notice.person_id is None:
            return
        person = self._people.get(notice.person_id)
        here = (notice.organization_id, notice.person_id)
        # A person who has left gets nothing about the organization.
        is_member = notice.organization_id is None or here in self._present
        if person and is_member and self._wants(person, notice.cause):
            yield Reader(person, Why.PERSONAL)

    def _admins(self, notice: Notice) -> Iterator[Reader]:
        is_shared = notice.person_id is None or notice.cause in {
            *FOR_ADMINS_WHOEVER_OWNS,
            Cause.APPROVAL_REQUESTED,
        }
        if not is_shared or notice.organization_id is None:
            return
        chosen = self._settings.get(notice.organization_id)
        if notice.cause not in (chosen.causes if chosen else admins_causes()):
            return
        recipients = set(chosen.recipients) if chosen else set()
        for membership in self._managers[notice.organization_id]:
            if not recipients or str(membership.pk) in recipients:
                yield Reader(membership.user, Why.ADMIN)

    def _curious(self, notice: Notice) -> Iterator[Reader]:
        """Yield the admins who chose to hear of every new key."""
        if notice.cause == Cause.KEY_ISSUED and notice.organization_id:
            for membership in self._managers[notice.organization_id]:
                if self._wants(membership.user, ANY_NEW_KEY):
                    yield Reader(membership.user, Why.CURIOUS)

    def _wants(self, user: User, name: str) -> bool:
        return bool(self._choices.get(user.pk, {}).get(name, _DEFAULTS[name]))


def _managers(organizations: Iterable[uuid.UUID]) -> Iterable[Membership]:
    return (
        Membership.objects.active()
        .filter(organization__in=organizations, role__in=MANAGING_ROLES)
        .select_related("user")
        .order_by("pk")
    )


def _people(
    notices: Sequence[Notice],
) -> tuple[dict[uuid.UUID, User], set[tuple[uuid.UUID | None, uuid.UUID | None]]]:
    """Return the active people of the notices, and where each of them is a member."""
    ids = {notice.person_id for notice in notices if notice.person_id}
    people = User.objects.filter(is_active=True).in_bulk(ids)
    present = Membership.objects.active().filter(user__in=ids)
    return people, set(present.values_list("organization_id", "user_id"))


def _author(notice: Notice) -> str:
    """Return the id of the person who made the change themselves, signed in, or an empty string.

    One of their keys is not them: a stolen key must not issue others unnoticed.
    """
    if notice.cause == Cause.APPROVAL_REQUESTED:
        return str(notice.data["request"]["requested_by"]["id"])
    by = notice.data.get("by", {})
    return str(by["id"]) if by.get("kind") == "user" else ""
