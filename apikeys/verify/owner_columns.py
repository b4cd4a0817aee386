"""The columns of an organization and an owner, for the statements that read a key or a token."""

from collections.abc import Mapping
from typing import Any


def owner_columns(organization: str, membership: str) -> dict[str, str]:
    """Map names to lookups. The arguments are the lookups of the two foreign keys."""
    return {
        "organization_id": f"{organization}_id",
        "organization_name": f"{organization}__name",
        "organization_slug": f"{organization}__slug",
        "suspended_at": f"{organization}__suspended_at",
        "owner_id": f"{membership}__user_id",
        "owner_email": f"{membership}__user__email",
        "owner_role": f"{membership}__role",
        "user_is_active": f"{membership}__user__is_active",
        "deactivated_at": f"{membership}__deactivated_at",
        "removed_at": f"{membership}__removed_at",
    }


def owner_is_active(row: Mapping[str, Any]) -> bool:
    """Whether the owner may still act. True for a row without an owner."""
    # All three, because each is set by a different change: disabling the account, deactivating the
    # membership and removing it.
    return row["owner_id"] is None or (
        row["user_is_active"] and row["deactivated_at"] is None and row["removed_at"] is None
    )
