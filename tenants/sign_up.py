"""Sign-up: a confirmed email address becomes a user with an organization of their own.

Nothing is stored before the address is confirmed. An account that exists earlier, with a password
of the person who typed the address, would wait there for its owner to be invited.
"""

import secrets

from django.core import signing
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from audit import trail
from audit.trail.actions import Action
from tenants import conf, services
from tenants.access import actor
from tenants.errors import SignUpRefused, SlugTaken
from tenants.models import Membership, Organization, User
from tenants.roles import Role

_PURPOSE = "keyway.sign_up.1"
_SLUG_LENGTH = 40
_TRIES = 5


def ticket_for(email: str) -> str:
    """Return the secret of a sign-up link: the address and the time, signed."""
    return signing.dumps(email, salt=_PURPOSE)


def confirmed_address(ticket: str) -> str:
    """Return the address that a link confirms. Raises SignUpRefused if it expired or was used.

    The account is what marks a link as used, so that nothing need be stored before it.
    """
    try:
        email: str = signing.loads(ticket, salt=_PURPOSE, max_age=conf.sign_up_link_lifetime())
    except signing.BadSignature as error:
        raise SignUpRefused() from error
    if has_account(email):
        raise SignUpRefused()
    return email


def has_account(email: str) -> bool:
    return User.objects.filter(email__iexact=email).exists()


@transaction.atomic
def sign_up(
    *, email: str, name: str, password: str, organization: str, address: str = ""
) -> Membership:
    """Create the user and their organization, with them as owner.

    Raises SignUpRefused if another request used the address first.
    """
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, name=name)
    except IntegrityError as error:
        raise SignUpRefused() from error
    by = actor(user, address)
    trail.record(Action.USER_SIGNED_UP, by=by, target=user.as_target())
    place = _found(organization, user)
    return services.add_member(organization=place, user=user, role=Role.OWNER, by=by)


def _found(name: str, user: User) -> Organization:
    """Create the organization under the short name nearest to its name that is free."""
    wish = slugify(name)[:_SLUG_LENGTH].strip("-") or "organization"
    for slug in (wish, *(f"{wish}-{secrets.token_hex(3)}" for _ in range(_TRIES))):
        try:
            return services.create_organization(name=name, slug=slug, by=actor(user))
        except SlugTaken:
            continue
    raise SlugTaken()
