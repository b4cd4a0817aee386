"""The applications that hold tokens of a person: what they allowed, and can take back."""

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
    """`scopes` is what it may do by now; `allowed_at` when the person last said so; `renewed_at` when it last got a token."""

    application: Application
    membership: Membership
    scopes: tuple[Scope, ...]
    allowed_at: datetime | None
    renewed_at: datetime


def of_person(user: User, *, at: datetime) -> list[Connection]:
    """By name. Those that are disabled are among them: once enabled again they go on."""
    found: dict[uuid.UUID, list[Any]] = {}
    for token in _tokens(user, at):
        found.setdefault(token.application_id, []).append(token)
    allowed = _allowed(user, [tokens[0].application for tokens in found.values()])
    connections = [_connection(tokens, allowed) for tokens in found.values()]
    return sorted(
        connections, key=lambda one: (str(one.application).casefold(), one.application.id)
    )


def _tokens(user: User, at: datetime) -> Iterable[Any]:
    """Access tokens that are good, or that a good refresh token can replace."""
    good = Q(expires__gt=at) | Q(refresh_token__revoked=None, refresh_token__expires_at__gt=at)
    theirs: Iterable[Any] = AccessToken.objects.filter(
        good, membership__user=user, membership__removed_at=None
    ).select_related("application__organization", "membership__user")
    return theirs


def _connection(tokens: list[Any], allowed: dict[str, datetime]) -> Connection:
    application, membership = tokens[0].application, tokens[0].membership
    given = frozenset(name for token in tokens for name in token.scope.split())
    names = given & frozenset(application.scopes) & scopes.held_by(membership)
    known = registry.registry()
    return Connection(
        application=application,
        membership=membership,
        scopes=tuple(known[name] for name in sorted(names)),
        allowed_at=allowed.get(application.public_id),
        renewed_at=max(token.created for token in tokens),
    )


def _allowed(user: User, applications: list[Application]) -> dict[str, datetime]:
    """By the trail, which remembers it for longer than tokens last."""
    consents = TrailEntry.objects.filter(
        organization_id__in={one.organization_id for one in applications},
        target_id__in=[one.public_id for one in applications],
        action=Action.APPLICATION_AUTHORIZED,
        actor_id=user.public_id,
    )
    return dict(consents.values_list("target_id").annotate(Max("occurred_at")).order_by())
