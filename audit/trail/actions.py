from django.db import models


class Action(models.TextChoices):
    """Every action the trail records. Values are stored for good, so never change or reuse one."""

    ORGANIZATION_CREATED = "organization.created", "Organization created"
    ORGANIZATION_SUSPENDED = "organization.suspended", "Organization suspended"
    ORGANIZATION_RESUMED = "organization.resumed", "Organization resumed"
    MEMBER_ADDED = "member.added", "Member added"
    MEMBER_ROLE_CHANGED = "member.role_changed", "Member's role changed"
    MEMBER_DEACTIVATED = "member.deactivated", "Member deactivated"
    MEMBER_REACTIVATED = "member.reactivated", "Member reactivated"
    MEMBER_REMOVED = "member.removed", "Member removed"
    USER_DEACTIVATED = "user.deactivated", "User deactivated"
    USER_REACTIVATED = "user.reactivated", "User reactivated"
    USER_SECOND_FACTOR_RESET = "user.second_factor_reset", "User's second factor reset"
    USER_TOKENS_REVOKED = "user_tokens.revoked", "User tokens revoked"
    REFRESH_TOKEN_REUSED = "refresh_token.reused", "Refresh token reused"
    AGENT_REGISTERED = "agent.registered", "Agent registered"
    AGENT_CONFIGURATION_CHANGED = "agent_configuration.changed", "Agent configuration changed"
    KEY_ISSUED = "key.issued", "Key issued"
    KEY_EDITED = "key.edited", "Key edited"
    KEY_ROTATED = "key.rotated", "Key rotated"
    KEY_PAUSED = "key.paused", "Key paused"
    KEY_RESUMED = "key.resumed", "Key resumed"
    KEY_REVOKED = "key.revoked", "Key revoked"
    KEY_RULES_CHANGED = "key_rules.changed", "Key rules changed"
    KEY_REQUEST_CREATED = "key_request.created", "Key requested"
    KEY_REQUEST_APPROVED = "key_request.approved", "Requested key approved"
    KEY_REQUEST_REFUSED = "key_request.refused", "Requested key refused"
    KEY_REQUEST_LAPSED = "key_request.lapsed", "Request for a key lapsed"
    APPLICATION_REGISTERED = "application.registered", "Application registered"
    APPLICATION_CHANGED = "application.changed", "Application changed"
    APPLICATION_SECRET_ROTATED = "application.secret_rotated", "Application's secret rotated"
    APPLICATION_DISABLED = "application.disabled", "Application disabled"
    APPLICATION_ENABLED = "application.enabled", "Application enabled"
    APPLICATION_DELETED = "application.deleted", "Application deleted"
    APPLICATION_AUTHORIZED = "application.authorized", "Application authorized"
    APPLICATION_TOKENS_ENDED = "application.tokens_ended", "Application's tokens revoked"
    TRAIL_EXPORTED = "trail.exported", "Audit log exported"


def choices() -> list[tuple[str, str]]:
    """Choices for the column. A callable, so that adding an action needs no migration."""
    return Action.choices
