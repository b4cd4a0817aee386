"""Add people to an organization by email address, with or without an existing account."""

from django.db import IntegrityError, transaction

from audit.trail.actor import Actor
from tenants import services
from tenants.models import Membership, Organization, User
from tenants.roles import Role


def invite(*, organization: Organization, email: str, role: Role, by: Actor) -> Membership:
    """Add the user with this email address. Raises AlreadyMember.

    Creates an account if there is none. It cannot be used to sign in until a password is set.
    """
    with transaction.atomic():
        return services.add_member(
            organization=organization, user=_find_or_create(email), role=role, by=by
        )


def found(*, name: str, slug: str, owner: str, by: Actor) -> Membership:
    """Create an organization, and add the user with this email address as its owner.

    Raises SlugTaken.
    """
    with transaction.atomic():
        organization = services.create_organization(name=name, slug=slug, by=by)
        return invite(organization=organization, email=owner, role=Role.OWNER, by=by)


def _find_or_create(email: str) -> User:
    known = User.objects.filter(email__iexact=email)
    if user := known.first():
        return user
    try:
        with transaction.atomic():
            return User.objects.create_user(email)
    except IntegrityError:
        # Another admin invited the same person at the same moment.
        return known.get()
