"""The judge of access tokens: whose is this, what may it do, right now? Writes nothing.

What apikeys.verify.judge is for keys: tag, row, state, under the same leases.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.models import F

from apikeys import conf
from apikeys.kind import Kind
from apikeys.oauth import scopes, token_format
from apikeys.oauth.models import AccessToken
from apikeys.oauth.token_format import Use
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential
from apikeys.verify.secret_rows import OrganizationFacts
from tenants.changes.leases import Leases, register

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the database says of one token, read in one statement: what a lease will hold."""

    application_id: uuid.UUID
    name: str
    environment: str
    scopes: frozenset[str]
    expires_at: datetime
    is_disabled: bool
    organization: OrganizationFacts
    owner_id: uuid.UUID | None
    owner_email: str | None
    owner_is_active: bool


def verify(presented: str, *, now: datetime) -> Credential | Denial:
    """Resolve a presented access token. A cause of our own is `unavailable`, never a refusal of the token."""
    stored = token_format.digest(presented, Use.ACCESS, conf.peppers())
    return verify_stored(stored, now=now) if stored else Denial(Reason.INVALID_TOKEN, bearer=True)


def verify_stored(stored: str, *, now: datetime) -> Credential | Denial:
    """Resolve a token of which only the keyed hash is at hand."""
    try:
        facts = _leases.get(stored)
    except (DatabaseError, InterfaceError) as error:
        logger.error("Verification could not read the database: %s", error)
        return Denial(Reason.UNAVAILABLE)
    if facts is None:
        return Denial(Reason.INVALID_TOKEN, bearer=True)
    return _judge(facts, now) or _credential(facts)


_COLUMNS = {
    "name": F("application__name"),
    "environment": F("application__environment"),
    "may_ask_for": F("application__scopes"),
    "disabled_at": F("application__disabled_at"),
    "organization_id": F("application__organization_id"),
    "organization_name": F("application__organization__name"),
    "organization_slug": F("application__organization__slug"),
    "suspended_at": F("application__organization__suspended_at"),
    "owner_id": F("membership__user_id"),
    "owner_email": F("membership__user__email"),
    "role": F("membership__role"),
    "owner_is_active": F("membership__user__is_active"),
    "deactivated_at": F("membership__deactivated_at"),
    "removed_at": F("membership__removed_at"),
}


def _read(stored: Sequence[str]) -> dict[str, Facts]:
    """Those that are there, by their keyed hash."""
    rows: Any = AccessToken.objects.filter(token_checksum__in=stored)
    columns = ("token_checksum", "application_id", "membership_id", "scope", "expires")
    return {row["token_checksum"]: _facts(row) for row in rows.values(*columns, **_COLUMNS)}


def _facts(row: Mapping[str, Any]) -> Facts:
    return Facts(
        application_id=row["application_id"],
        name=row["name"],
        environment=row["environment"],
        scopes=frozenset(row["scope"].split())
        & frozenset(row["may_ask_for"])
        & scopes.held_in(row["role"]),
        expires_at=row["expires"],
        is_disabled=row["disabled_at"] is not None,
        organization=OrganizationFacts(
            row["organization_id"],
            row["organization_name"],
            row["organization_slug"],
            row["suspended_at"],
        ),
        owner_id=row["owner_id"],
        owner_email=row["owner_email"],
        owner_is_active=row["membership_id"] is None
        or (row["owner_is_active"] and row["deactivated_at"] is None and row["removed_at"] is None),
    )


_leases: Leases[str, Facts] = register(Leases(_read))


def _judge(facts: Facts, now: datetime) -> Denial | None:
    if facts.expires_at <= now:
        return Denial(Reason.EXPIRED_TOKEN, bearer=True)
    if facts.is_disabled:
        return Denial(Reason.INVALID_TOKEN, "The token's application is disabled.", bearer=True)
    if not facts.owner_is_active:
        detail = "The person who allowed this application is no longer an active member of the organization."
        return Denial(Reason.OWNER_INACTIVE, detail, bearer=True)
    if facts.organization.suspended_at:
        return Denial(
            Reason.ORGANIZATION_SUSPENDED, "The token's organization is suspended.", bearer=True
        )
    return None


def _credential(facts: Facts) -> Credential:
    return Credential(
        key_id=None,
        secret_id=None,
        application_id=facts.application_id,
        name=facts.name,
        kind=Kind.PUBLIC,
        environment=facts.environment,
        scopes=facts.scopes,
        organization=facts.organization,
        owner_id=facts.owner_id,
        owner_email=facts.owner_email,
        expires_at=facts.expires_at,
    )
