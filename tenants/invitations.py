"""Adding people by their address, whether Keyway knows them yet or not."""

from django.db import IntegrityError, transaction

from audit.trail.actor import Actor
from tenants import services
from tenants.models import Membership, Organization, User
from tenants.roles import Role


def invite(*, organization: Organization, email: str, role: Role, by: Actor) -> Membership:
    """Add whoever has this address; somebody new gets an account that nobody can sign in to before a password is set.

    Raises AlreadyMember.
    """
    with transaction.atomic():
        return services.add_member(
            organization=organization, user=_find_or_create(email), role=role, by=by
        )


def _find_or_create(email: str) -> User:
    known = User.objects.filter(email__iexact=email)
    if user := known.first():
        return user
    try:
        with transaction.atomic():
            return User.objects.create_user(email)
    except IntegrityError:
        # Two admins invited the same person at the same moment.
        return known.get()
