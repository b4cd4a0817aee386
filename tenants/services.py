"""Changes to organizations and their members: one function a change, atomic, trailed."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit import trail
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.changes import leases
from tenants.changes.leases import Receipt
from tenants.errors import AlreadyMember, LastAdmin
from tenants.models import AgentConfiguration, Membership, Organization, User
from tenants.roles import Role
from tenants.sign_in.tokens import services as tokens
from tenants.sign_in.tokens.models import EndReason

_ADMINS = (Role.OWNER, Role.ADMIN)


@transaction.atomic
def create_organization(*, name: str, slug: str, by: Actor) -> Organization:
    organization = Organization.objects.create(name=name, slug=slug)
    AgentConfiguration.objects.create(organization=organization, version=1, created_by=by.name)
    trail.record(
        Action.ORGANIZATION_CREATED,
        organization=organization.pk,
        by=by,
        target=organization.as_target(),
        data={"slug": slug},
    )
    return organization


def suspend_organization(*, organization: Organization, by: Actor) -> Receipt:
    """Refuse every key of the organization until it is resumed. Doing it twice changes and trails nothing."""
    with transaction.atomic():
        if Organization.objects.filter(pk=organization.pk, suspended_at=None).update(
            suspended_at=timezone.now()
        ):
            trail.record(
                Action.ORGANIZATION_SUSPENDED,
                organization=organization.pk,
                by=by,
                target=organization.as_target(),
            )
    return leases.end()


@transaction.atomic
def resume_organization(*, organization: Organization, by: Actor) -> None:
    if Organization.objects.filter(pk=organization.pk, suspended_at__isnull=False).update(
        suspended_at=None
    ):
        trail.record(
            Action.ORGANIZATION_RESUMED,
            organization=organization.pk,
            by=by,
            target=organization.as_target(),
        )


def add_member(*, organization: Organization, user: User, role: Role, by: Actor) -> Membership:
    """Raises AlreadyMember. A user who was removed comes back with a new membership, so old keys stay refused."""
    try:
        with transaction.atomic():
            membership = Membership.objects.create(organization=organization, user=user, role=role)
            trail.record(
                Action.MEMBER_ADDED,
                organization=organization.pk,
                by=by,
                target=membership.as_target(),
                data={"role": role},
            )
    except IntegrityError as error:
        raise AlreadyMember() from error
    return membership


def change_role(*, membership: Membership, role: Role, by: Actor) -> Receipt:
    """Raises LastAdmin when nobody would be left to manage the organization. A lower role weakens the member's keys."""
    with transaction.atomic():
        if role not in _ADMINS:
            _keep_an_admin(membership)
        if (
            Membership.objects.present()
            .filter(pk=membership.pk)
            .exclude(role=role)
            .update(role=role)
        ):
            trail.record(
                Action.MEMBER_ROLE_CHANGED,
                organization=membership.organization_id,
                by=by,
                target=membership.as_target(),
                data={"from": membership.role, "to": role},
            )
    return leases.end()


def deactivate_member(*, membership: Membership, by: Actor) -> Receipt:
    """Refuse the member and their public keys until reactivated. Raises LastAdmin."""
    with transaction.atomic():
        _keep_an_admin(membership)
        _set(
            membership,
            Action.MEMBER_DEACTIVATED,
            by,
            where={"deactivated_at": None},
            to={"deactivated_at": timezone.now()},
        )
    return leases.end()


@transaction.atomic
def reactivate_member(*, membership: Membership, by: Actor) -> None:
    where = {"deactivated_at__isnull": False}
    _set(membership, Action.MEMBER_REACTIVATED, by, where=where, to={"deactivated_at": None})


def remove_member(*, membership: Membership, by: Actor) -> Receipt:
    """End the membership for good, and with it the member's public keys here. Raises LastAdmin."""
    with transaction.atomic():
        _keep_an_admin(membership)
        _set(membership, Action.MEMBER_REMOVED, by, where={}, to={"removed_at": timezone.now()})
    return leases.end()


def deactivate_user(*, user: User, by: Actor) -> Receipt:
    """Refuse a person, and their public keys, in every organization at once."""
    with transaction.atomic():
        if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
            trail.record(Action.USER_DEACTIVATED, by=by, target=user.as_target())
            # Reactivating gives back a place, not the sign-ins from before.
            tokens.end_all(user=user, reason=EndReason.DEACTIVATED, by=by, at=timezone.now())
    return leases.end()


@transaction.atomic
def reactivate_user(*, user: User, by: Actor) -> None:
    if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        trail.record(Action.USER_REACTIVATED, by=by, target=user.as_target())


@transaction.atomic
def reset_second_factor(*, user: User, by: Actor) -> None:
    """For who lost phone and recovery codes: the password alone signs them in until they set up another."""
    if user.authenticator_set.all().delete()[0]:  # type: ignore[attr-defined]  # allauth ships no types
        trail.record(Action.USER_SECOND_FACTOR_RESET, by=by, target=user.as_target())


def _set(
    membership: Membership,
    action: Action,
    by: Actor,
    *,
    where: Mapping[str, Any],
    to: Mapping[str, Any],
) -> None:
    """A conditional update: whoever comes second changes nothing and is not trailed."""
    if Membership.objects.present().filter(pk=membership.pk, **where).update(**to):
        trail.record(
            action, organization=membership.organization_id, by=by, target=membership.as_target()
        )


def _keep_an_admin(leaving: Membership) -> None:
    # The lock makes two admins who demote each other at the same moment come one after the other.
    Organization.objects.select_for_update().get(pk=leaving.organization_id)
    admins = Membership.objects.active().filter(
        organization_id=leaving.organization_id, role__in=_ADMINS
    )
    if list(admins.values_list("pk", flat=True)) == [leaving.pk]:
        raise LastAdmin()
