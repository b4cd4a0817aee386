"""Every reason to refuse a presentation. config.lib.problems turns them into HTTP."""

import uuid
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    MISSING_KEY = "missing_key"
    KEY_IN_BEARER = "key_in_bearer"
    SEVERAL_CREDENTIALS = "several_credentials"
    INVALID_KEY = "invalid_key"
    ROTATED_KEY = "rotated_key"
    EXPIRED_KEY = "expired_key"
    REVOKED_KEY = "revoked_key"
    PAUSED_KEY = "paused_key"
    INVALID_TOKEN = "invalid_token"  # noqa: S105  a reason
    EXPIRED_TOKEN = "expired_token"  # noqa: S105
    OWNER_INACTIVE = "owner_inactive"
    ORGANIZATION_SUSPENDED = "organization_suspended"
    WRONG_KEY_TYPE = "wrong_key_type"
    WRONG_ORGANIZATION = "wrong_organization"
    ORGANIZATION_REQUIRED = "organization_required"
    WRONG_ENVIRONMENT = "wrong_environment"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    IP_NOT_ALLOWED = "ip_not_allowed"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Presented:
    """The key and secret that a caller proved to hold."""

    key_id: uuid.UUID
    secret_id: uuid.UUID
    organization_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Denial:
    """A refused presentation.

    `detail` replaces the reason's default text. `retry_after` is in seconds. `bearer` is set for a
    token, so that the response challenges for a token.
    """

    reason: Reason
    detail: str = ""
    retry_after: int | None = None
    presented: Presented | None = field(default=None, compare=False)
    bearer: bool = False
