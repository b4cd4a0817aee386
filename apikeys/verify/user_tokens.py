"""Verify user tokens: the sign-in, then the user's place in one organization. Writes nothing.

Does for people's tokens what apikeys.verify.judge does for keys, without leases. Each request reads
the sign-in and the memberships, so every change counts from the next request.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, InterfaceError

from apikeys import scopes
from apikeys.kind import Kind
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential
from apikeys.verify.secret_rows import OrganizationRow
from config.lib.environment import Environment
from tenants.models import Membership
from tenants.sign_in.tokens import services
from tenants.sign_in.tokens.errors import ExpiredToken, InvalidToken
from tenants.sign_in.tokens.services import UserToken

logger = logging.getLogger(__name__)

_NOT_A_MEMBER = "The user is not a member of the requested organization."
_NO_MEMBERSHIP = "The user is not a member of any organization."
_INACTIVE = "The user is no longer an active member of the organization."
_SUSPENDED = "The user's organization is suspended."


@dataclass(frozen=True, slots=True)
class Place:
    """Where the token is to count. A token itself names neither.

    `organization` is ``org_…`` or a slug. None is the only organization of the user.
    """

    organization: str | None = None
    environment: str = Environment.LIVE.value


def verify(presented: str, place: Place, *, now: datetime) -> Credential | Denial:
    """Resolve a user token to a credential of the user in one organization.

    Keyway's own failures are `unavailable`, not a denial of the token.
    """
    try:
        token = services.authenticate(presented, at=now)
        # Deactivated memberships too, so that their user learns the reason. Removed ones are like
        # those that never were.
        memberships = list(
            Membership.objects.present().filter(user=token.user).select_related("organization")
        )
    except (InvalidToken, ExpiredToken) as error:
        return Denial(Reason(error.code), error.detail, bearer=True)
    except (DatabaseError, InterfaceError) as error:
        logger.error("Verification could not read the database: %s", error)
        return Denial(Reason.UNAVAILABLE)
    chosen = _choose(memberships, place.organization)
    if isinstance(chosen, Denial):
        return chosen
    return _denial(chosen) or _credential(token, chosen, place.environment)


def _choose(memberships: Sequence[Membership], named: str | None) -> Membership | Denial:
    if named is not None:
        # The same denial for an organization that does not exist and for one of others, so that
        # names cannot be probed.
        for one in memberships:
            if named in (one.organization.public_id, one.organization.slug):
                return one
        return Denial(Reason.WRONG_ORGANIZATION, _NOT_A_MEMBER, bearer=True)
    active = [one for one in memberships if one.deactivated_at is None] or memberships
    if not active:
        return Denial(Reason.WRONG_ORGANIZATION, _NO_MEMBERSHIP, bearer=True)
    # Never a default: the next membership that the user gets must not change what a token reads.
    return active[0] if len(active) == 1 else Denial(Reason.ORGANIZATION_REQUIRED, bearer=True)


def _denial(membership: Membership) -> Denial | None:
    if membership.deactivated_at:
        return Denial(Reason.OWNER_INACTIVE, _INACTIVE, bearer=True)
    if membership.organization.suspended_at:
        return Denial(Reason.ORGANIZATION_SUSPENDED, _SUSPENDED, bearer=True)
    return None


def _credential(token: UserToken, membership: Membership, environment: str) -> Credential:
    organization = membership.organization
    return Credential(
        key_id=None,
        secret_id=None,
        name=token.user.email,
        kind=Kind.PUBLIC,
        environment=environment,
        # Never the scopes of agents, even if the role may manage them: an agent's call records
        # events and heartbeats in the name of a host.
        scopes=scopes.held_by(membership.role) & _public_scopes(),
        organization=OrganizationRow(
            organization.pk, organization.name, organization.slug, organization.suspended_at
        ),
        owner_id=token.user.pk,
        owner_email=token.user.email,
        expires_at=token.expires_at,
    )


def _public_scopes() -> frozenset[str]:
    return frozenset(scope.name for scope in scopes.of_kind(Kind.PUBLIC))
