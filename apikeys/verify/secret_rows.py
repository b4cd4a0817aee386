"""The rows of secrets: everything verification needs, read in one statement.

apikeys.verify.judge decides what they mean.
"""

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
    """One secret with its key, organization and owner.

    A lease keeps it for a while, so nothing in it depends on the time.
    """

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


# One statement with joins, not one query a table. Two queries could see the key before a change and
# its owner after it, and so accept a combination that never existed.
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
    """Return the row of each secret that exists, keyed by lookup."""
    # Secrets that are retired and keys that are revoked or expired are read too: the caller proved
    # to hold the secret, and is owed the reason instead of "invalid".
    return {row["lookup"]: _secret_row(row) for row in _prepared.read(lookups)}


def _scopes(kind: Kind, owner_role: str | None, granted: list[str]) -> frozenset[str]:
    # Agent keys: fixed by the code, not stored. Write access to the row cannot widen them.
    if kind is Kind.AGENT:
        return scopes.agent_scopes()
    # Public keys: the granted scopes that the owner's role holds now, so that a demotion narrows
    # every key of that owner at the next read, without an update of the keys. An organization key
    # has no owner and is held to what admins hold: a row that grants it `admin` grants nothing.
    held = scopes.held_by(owner_role) if owner_role else scopes.of_organization()
    return held.intersection(granted)


def _secret_row(row: Mapping[str, Any]) -> SecretRow:
    kind = Kind(row["kind"])
    return SecretRow(
        secret_id=row["secret_id"],
        proof=row["proof"],
        retired_at=row["retired_at"],
        key_id=row["key_id"],
        name=row["name"],
        kind=kind,
        environment=row["environment"],
        scopes=_scopes(kind, row["owner_role"], row["scopes"]),
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
        # A key without an owner is the organization's. Otherwise all three must hold: different
        # changes disable the account, deactivate the membership and remove it.
        owner_is_active=row["owner_id"] is None
        or (row["user_is_active"] and row["deactivated_at"] is None and row["removed_at"] is None),
    )
