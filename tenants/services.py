"""Changes to organizations and members. Each function is one atomic, trailed change.

Functions that take access away return a Receipt from `leases.end()`. They call it after their own
transaction: waiting before the commit would let another process read the old state again.
"""

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


@transaction.atomic
def rename_organization(*, organization: Organization, name: str, by: Actor) -> None:
    """Change the name that people see. The slug stays, because addresses contain it."""
    # Locked, so that the trail records the name that this change replaces.
    current = Organization.objects.select_for_update().get(pk=organization.pk)
    if current.name == name:
        return
    Organization.objects.filter(pk=current.pk).update(name=name)
    trail.record(
        Action.ORGANIZATION_RENAMED,
        organization=current.pk,
        by=by,
        target=current.as_target(),
        data={"from": current.name, "to": name},
    )


def suspend_organization(*, organization: Organization, by: Actor) -> Receipt:
    """Deny every key of the organization until it is resumed. Idempotent."""
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
    """Add a member. Raises AlreadyMember.

    A user who was removed gets a new membership, so their old keys stay denied.
    """
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
    """Change a member's role. Raises LastAdmin if no owner or admin would remain.

    A lower role also limits the member's existing keys, hence the Receipt.
    """
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
    """Deny the member and their public keys until reactivated. Raises LastAdmin."""
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
    """End the membership and its public keys permanently. Raises LastAdmin."""
    with transaction.atomic():
        _keep_an_admin(membership)
        _set(membership, Action.MEMBER_REMOVED, by, where={}, to={"removed_at": timezone.now()})
    return leases.end()


def deactivate_user(*, user: User, by: Actor) -> Receipt:
    """Deny a user and their public keys in every organization."""
    with transaction.atomic():
        if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
            trail.record(Action.USER_DEACTIVATED, by=by, target=user.as_target())
            # Reactivating a user must not revive earlier sign-ins, so revoke them here for good.
            tokens.end_all(user=user, reason=EndReason.DEACTIVATED, by=by, at=timezone.now())
    return leases.end()


@transaction.atomic
def reactivate_user(*, user: User, by: Actor) -> None:
    if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        trail.record(Action.USER_REACTIVATED, by=by, target=user.as_target())


@transaction.atomic
def reset_second_factor(*, user: User, by: Actor) -> None:
    """Remove a user's second factor, for someone who lost both phone and recovery codes.

    The password alone then signs them in until they set up a new one.
    """
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
    """Update conditionally. The database decides a race; the loser changes and trails nothing."""
    if Membership.objects.present().filter(pk=membership.pk, **where).update(**to):
        trail.record(
            action, organization=membership.organization_id, by=by, target=membership.as_target()
        )


def _keep_an_admin(leaving: Membership) -> None:
    # Two admins demoting each other at the same moment would each see the other as remaining. The
    # lock makes one wait, and it must be taken before the admins are counted.
    Organization.objects.select_for_update().get(pk=leaving.organization_id)
    admins = Membership.objects.active().filter(
        organization_id=leaving.organization_id, role__in=_ADMINS
    )
    if list(admins.values_list("pk", flat=True)) == [leaving.pk]:
        raise LastAdmin()
