"""A user's connected applications: those that hold tokens to act for the user."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, Q

from apikeys import scopes as registry
from apikeys.oauth import scopes
from apikeys.oauth.models import AccessToken, Application
from apikeys.scopes import Scope
from audit.models import TrailEntry
from audit.trail.actions import Action
from tenants.models import Membership, User


@dataclass(frozen=True, slots=True)
class Connection:
    """An application that acts for a user.

    `scopes` are the ones it has now. `allowed_at` is the time of the last consent, `renewed_at` the
    time of its newest token.
    """

    application: Application
    membership: Membership
    scopes: tuple[Scope, ...]
    allowed_at: datetime | None
    renewed_at: datetime


def of_person(user: User, *, at: datetime) -> list[Connection]:
    """List a user's connections by name.

    Disabled applications are included, because their tokens work again once they are enabled.
    """
    by_application: dict[uuid.UUID, list[Any]] = {}
    for token in _tokens(user, at):
        by_application.setdefault(token.application_id, []).append(token)
    allowed = _last_consents(user, [tokens[0].application for tokens in by_application.values()])
    connections = [_connection(tokens, allowed) for tokens in by_application.values()]
    return sorted(
        connections, key=lambda one: (str(one.application).casefold(), one.application.id)
    )


def _tokens(user: User, at: datetime) -> Iterable[Any]:
    """Access tokens that have not expired, or that a live refresh token can replace."""
    live = Q(expires__gt=at) | Q(refresh_token__revoked=None, refresh_token__expires_at__gt=at)
    tokens: Iterable[Any] = AccessToken.objects.filter(
        live, membership__user=user, membership__removed_at=None
    ).select_related("application__organization", "membership__user")
    return tokens


def _connection(tokens: list[Any], allowed: dict[str, datetime]) -> Connection:
    application, membership = tokens[0].application, tokens[0].membership
    granted = registry.canonical_all(name for token in tokens for name in token.scope.split())
    # The same intersection as in apikeys.oauth.verification, so that the page shows what a token
    # can do.
    names = granted & application.grantable & scopes.held_by(membership)
    known = registry.registry()
    return Connection(
        application=application,
        membership=membership,
        scopes=tuple(known[name] for name in sorted(names)),
        allowed_at=allowed.get(application.public_id),
        renewed_at=max(token.created for token in tokens),
    )


def _last_consents(user: User, applications: list[Application]) -> dict[str, datetime]:
    """Take the time of consent from the trail. Grants are pruned while tokens are still in use."""
    consents = TrailEntry.objects.filter(
        organization_id__in={one.organization_id for one in applications},
        target_id__in=[one.public_id for one in applications],
        action=Action.APPLICATION_AUTHORIZED,
        actor_id=user.public_id,
    )
    return dict(consents.values_list("target_id").annotate(Max("occurred_at")).order_by())
