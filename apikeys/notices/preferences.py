"""What organizations and people choose to get by email. Changes are recorded in the trail."""

from collections.abc import Collection, Mapping

from django.db import transaction

from apikeys.notices.audience import MANAGING_ROLES
from apikeys.notices.causes import FOR_PEOPLE, FOR_PEOPLE_WHO_MANAGE, Choice
from apikeys.notices.models import OrganizationNotifications, PersonNotifications
from audit import trail
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.models import Membership, MembershipQuerySet, Organization, User


def of_organization(organization: Organization) -> OrganizationNotifications:
    """Return what was chosen, or the defaults, unsaved."""
    found = OrganizationNotifications.objects.filter(pk=organization.pk).first()
    return found or OrganizationNotifications(organization=organization)


def managers(organization: Organization) -> MembershipQuerySet:
    """Return the members who can be chosen as recipients."""
    members = Membership.objects.active().for_organization(organization)
    return members.filter(role__in=MANAGING_ROLES).select_related("user").order_by("user__email")


@transaction.atomic
def choose_for_organization(
    *,
    organization: Organization,
    causes: Collection[str],
    recipients: Collection[str],
    by: Actor,
) -> None:
    Organization.objects.select_for_update().get(pk=organization.pk)
    chosen = of_organization(organization)
    before = {"causes": sorted(chosen.causes), "recipients": sorted(chosen.recipients)}
    after = {"causes": sorted(causes), "recipients": sorted(recipients)}
    if before == after:
        return
    OrganizationNotifications.objects.update_or_create(organization=organization, defaults=after)
    trail.record(
        Action.NOTIFICATIONS_CHANGED,
        organization=organization.pk,
        by=by,
        target=organization.as_target(),
        data={"from": before, "to": after},
    )


def choices_for(*, manages: bool) -> tuple[Choice, ...]:
    return (*FOR_PEOPLE, FOR_PEOPLE_WHO_MANAGE) if manages else FOR_PEOPLE


def of_person(user: User) -> dict[str, bool]:
    """Return each choice and whether it is on."""
    chosen = PersonNotifications.objects.filter(pk=user.pk).values_list("choices", flat=True)
    stored: dict[str, bool] = chosen.first() or {}
    return {each.name: stored.get(each.name, each.is_on) for each in choices_for(manages=True)}


@transaction.atomic
def choose_for_person(*, user: User, choices: Mapping[str, bool], by: Actor) -> None:
    """Change the given choices and keep the others."""
    User.objects.select_for_update().get(pk=user.pk)
    before = of_person(user)
    after = {**before, **choices}
    changed = {name: is_on for name, is_on in after.items() if before[name] != is_on}
    if not changed:
        return
    PersonNotifications.objects.update_or_create(user=user, defaults={"choices": after})
    trail.record(Action.NOTIFICATIONS_CHANGED, by=by, target=user.as_target(), data={"to": changed})
