"""Verify access tokens: check the tag, read the row, judge its state. Writes nothing.

Does for tokens what apikeys.verify.judge does for keys, with the same leases.
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
from apikeys import scopes as registry
from apikeys.kind import Kind
from apikeys.oauth import scopes, token_format
from apikeys.oauth.models import AccessToken
from apikeys.oauth.token_format import TokenKind
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential
from apikeys.verify.owner_columns import owner_columns, owner_is_active
from apikeys.verify.secret_rows import OrganizationRow
from tenants.changes.leases import Leases, register

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One access token with its application, organization and user. Leases hold these."""

    application_id: uuid.UUID
    name: str
    environment: str
    scopes: frozenset[str]
    expires_at: datetime
    is_disabled: bool
    organization: OrganizationRow
    owner_id: uuid.UUID | None
    owner_email: str | None
    owner_is_active: bool


def verify(presented: str, *, now: datetime) -> Credential | Denial:
    """Resolve a presented access token.

    Keyway's own failures are `unavailable`, not a denial of it.
    """
    stored = token_format.digest(presented, TokenKind.ACCESS, conf.peppers())
    return verify_stored(stored, now=now) if stored else Denial(Reason.INVALID_TOKEN, bearer=True)


def verify_stored(stored: str, *, now: datetime) -> Credential | Denial:
    """Resolve a token by its keyed hash."""
    try:
        row = _leases.get(stored)
    except (DatabaseError, InterfaceError) as error:
        logger.error("Verification could not read the database: %s", error)
        return Denial(Reason.UNAVAILABLE)
    if row is None:
        return Denial(Reason.INVALID_TOKEN, bearer=True)
    return _denial(row, now) or _credential(row)


_COLUMNS = {
    "name": F("application__name"),
    "environment": F("application__environment"),
    "application_scopes": F("application__scopes"),
    "disabled_at": F("application__disabled_at"),
} | {
    name: F(lookup)
    for name, lookup in owner_columns("application__organization", "membership").items()
}


def _read_rows(stored: Sequence[str]) -> dict[str, TokenRow]:
    """Return the row of each token that exists, keyed by its hash."""
    # One statement: the token, its application, its user and the organization must be of one
    # moment.
    rows: Any = AccessToken.objects.filter(token_checksum__in=stored)
    columns = ("token_checksum", "application_id", "scope", "expires")
    return {row["token_checksum"]: _token_row(row) for row in rows.values(*columns, **_COLUMNS)}


def _token_row(row: Mapping[str, Any]) -> TokenRow:
    return TokenRow(
        application_id=row["application_id"],
        name=row["name"],
        environment=row["environment"],
        # What the user consented to, what the application may request now, and what the user's role
        # holds now. Narrowing any of the three narrows tokens that are already out.
        scopes=registry.canonical_all(row["scope"].split())
        & registry.canonical_all(row["application_scopes"])
        & scopes.held_in(row["owner_role"]),
        expires_at=row["expires"],
        is_disabled=row["disabled_at"] is not None,
        organization=OrganizationRow(
            row["organization_id"],
            row["organization_name"],
            row["organization_slug"],
            row["suspended_at"],
        ),
        owner_id=row["owner_id"],
        owner_email=row["owner_email"],
        owner_is_active=owner_is_active(row),
    )


_leases: Leases[str, TokenRow] = register(Leases(_read_rows))


def _denial(row: TokenRow, now: datetime) -> Denial | None:
    # `now` is the request's, not the lease's: a token that expires during a lease is refused on
    # time.
    if row.expires_at <= now:
        return Denial(Reason.EXPIRED_TOKEN, bearer=True)
    if row.is_disabled:
        return Denial(Reason.INVALID_TOKEN, "The token's application is disabled.", bearer=True)
    if not row.owner_is_active:
        detail = (
            "The user who authorized this application is no longer an active member of "
            "the organization."
        )
        return Denial(Reason.OWNER_INACTIVE, detail, bearer=True)
    if row.organization.suspended_at:
        return Denial(
            Reason.ORGANIZATION_SUSPENDED, "The token's organization is suspended.", bearer=True
        )
    return None


def _credential(row: TokenRow) -> Credential:
    return Credential(
        key_id=None,
        secret_id=None,
        application_id=row.application_id,
        name=row.name,
        kind=Kind.PUBLIC,
        environment=row.environment,
        scopes=row.scopes,
        organization=row.organization,
        owner_id=row.owner_id,
        owner_email=row.owner_email,
        expires_at=row.expires_at,
    )
