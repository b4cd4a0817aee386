"""What the database says of secrets: read in one statement, judged in apikeys.verify.judge."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apikeys import networks, scopes
from apikeys.kind import Kind
from apikeys.models import Secret
from apikeys.networks import Network
from apikeys.verify.owner_columns import owner_columns
from config.lib.ids import encode
from config.lib.prepared import Prepared


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    id: uuid.UUID
    name: str
    slug: str
    suspended_at: datetime | None

    @property
    def public_id(self) -> str:
        return encode("org", self.id)


@dataclass(frozen=True, slots=True)
class SecretRow:
    """All that the database says of one secret, read in one statement: what a lease will hold."""

    secret_id: uuid.UUID
    proof: str
    retired_at: datetime | None
    key_id: uuid.UUID
    name: str
    kind: Kind
    environment: str
    scopes: frozenset[str]
    allowed: tuple[Network, ...]
    expires_at: datetime | None
    paused_at: datetime | None
    revoked_at: datetime | None
    organization: OrganizationRow
    owner_id: uuid.UUID | None
    owner_email: str | None
    owner_is_active: bool


_COLUMNS = {
    "lookup": "lookup",
    "secret_id": "id",
    "proof": "proof",
    "retired_at": "retired_at",
    "key_id": "key_id",
    "name": "key__name",
    "kind": "key__kind",
    "environment": "key__environment",
    "scopes": "key__scopes",
    "allowed_cidrs": "key__allowed_cidrs",
    "expires_at": "key__expires_at",
    "paused_at": "key__paused_at",
    "revoked_at": "key__revoked_at",
    **owner_columns("key__organization", "key__owner"),
}
_prepared = Prepared(lambda lookups: Secret.objects.filter(lookup__in=lookups), _COLUMNS)


def read(lookups: Sequence[int]) -> dict[int, SecretRow]:
    """Those that are there, by their lookup."""
    return {row["lookup"]: _facts(row) for row in _prepared.read(lookups)}


def _facts(row: Mapping[str, Any]) -> SecretRow:
    kind = Kind(row["kind"])
    return SecretRow(
        secret_id=row["secret_id"],
        proof=row["proof"],
        retired_at=row["retired_at"],
        key_id=row["key_id"],
        name=row["name"],
        kind=kind,
        environment=row["environment"],
        scopes=scopes.agent_scopes()
        if kind is Kind.AGENT
        else scopes.held_by(row["owner_role"]).intersection(row["scopes"]),
        allowed=networks.parse(row["allowed_cidrs"]),
        expires_at=row["expires_at"],
        paused_at=row["paused_at"],
        revoked_at=row["revoked_at"],
        organization=OrganizationRow(
            row["organization_id"],
            row["organization_name"],
            row["organization_slug"],
            row["suspended_at"],
        ),
        owner_id=row["owner_id"],
        owner_email=row["owner_email"],
        owner_is_active=row["owner_id"] is None
        or (row["user_is_active"] and row["deactivated_at"] is None and row["removed_at"] is None),
    )
