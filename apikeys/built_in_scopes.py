"""The scopes that Keyway knows without configuration. `apikeys.scopes` is the registry of all."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from apikeys.kind import Kind
from tenants.roles import Permission


class State(StrEnum):
    """Whether a scope can be granted.

    A `verify_only` scope can be granted and checked through `GET /api/v1/verify`, but no endpoint
    of Keyway requires it yet.
    """

    ACTIVE = "active"
    VERIFY_ONLY = "verify_only"
    COMING_SOON = "coming_soon"


@dataclass(frozen=True, slots=True)
class Scope:
    """Only keys of `kind` can hold it. Granting and holding it both require `permission`."""

    name: str
    title: str
    description: str
    kind: Kind = Kind.PUBLIC
    state: State = State.ACTIVE
    permission: Permission = Permission.ISSUE_OWN_KEYS

    @property
    def is_grantable(self) -> bool:
        return self.state is not State.COMING_SOON

    @property
    def is_verify_only(self) -> bool:
        return self.state is State.VERIFY_ONLY

    def is_held_with(self, permissions: Collection[Permission]) -> bool:
        """Whether a role with these permissions may hold the scope.

        Scopes of public keys also require ISSUE_OWN_KEYS, because a role that cannot own a public
        key can hold none of its scopes.
        """
        needed = {self.permission} | (
            {Permission.ISSUE_OWN_KEYS} if self.kind is Kind.PUBLIC else set()
        )
        return self.is_grantable and needed <= set(permissions)


READ_AUDIT_ACTIVITY = "read:audit-activity"
MANAGE_API_KEYS = "manage:api-keys"
ADMIN = "admin"
WRITE_AGENT_EVENTS = "write:agent-events"
READ_AGENT_CONFIG = "read:agent-config"
WRITE_AGENT_HEARTBEAT = "write:agent-heartbeat"

_SOON, _VERIFY = State.COMING_SOON, State.VERIFY_ONLY
_AGENTS = Permission.MANAGE_AGENTS

BUILT_IN = (
    Scope(READ_AUDIT_ACTIVITY, "Read Audit Activity", "Access to audit activity events"),
    Scope("read:alerts", "Read Alerts", "Access to alerts", state=_SOON),
    Scope("read:findings", "Read Findings", "Access to findings", state=_SOON),
    Scope("read:compliance", "Read Compliance", "Access to compliance health data", state=_SOON),
    Scope("read:reports", "Read Reports", "Generate and download reports", state=_SOON),
    Scope(
        MANAGE_API_KEYS,
        "Manage API Keys",
        "Create and revoke API keys. Also edit and rotate them, within the key’s own access",
    ),
    Scope(
        "read:databases", "Read Databases", "View database connections and metadata", state=_VERIFY
    ),
    Scope(
        "write:databases",
        "Write Databases",
        "Create, update, and delete database connections",
        state=_VERIFY,
        permission=_AGENTS,
    ),
    Scope("read:policies", "Read Policies", "View audit policies and rules", state=_VERIFY),
    Scope(
        "write:policies",
        "Write Policies",
        "Create, update, and delete audit policies",
        state=_VERIFY,
        permission=_AGENTS,
    ),
    Scope("write:alerts", "Write Alerts", "Acknowledge and manage alerts", state=_VERIFY),
    Scope(
        "read:logs",
        "Read Logs",
        "Access audit logs and activity history",
        state=_VERIFY,
        permission=Permission.READ_TRAIL,
    ),
    # AgentAuri's, in the order of words that its document has.
    Scope("triggers:read", "Read Triggers", "List and view triggers", state=_VERIFY),
    Scope(
        "triggers:write",
        "Write Triggers",
        "Create, update, delete triggers",
        state=_VERIFY,
        permission=_AGENTS,
    ),
    Scope("organizations:read", "Read Organizations", "View organization details", state=_VERIFY),
    Scope(
        "organizations:write",
        "Write Organizations",
        "Manage organization settings",
        state=_VERIFY,
        permission=Permission.MANAGE_MEMBERS,
    ),
    Scope(
        ADMIN,
        "Admin",
        "Full administrative access to all resources. Only an owner can grant it",
        permission=Permission.MANAGE_OWNERS,
    ),
    Scope(
        WRITE_AGENT_EVENTS,
        "Send Audit Events",
        "Send batches of audit events",
        kind=Kind.AGENT,
        permission=_AGENTS,
    ),
    Scope(
        READ_AGENT_CONFIG,
        "Read Agent Configuration",
        "Receive configuration updates",
        kind=Kind.AGENT,
        permission=_AGENTS,
    ),
    Scope(
        WRITE_AGENT_HEARTBEAT,
        "Send Heartbeats",
        "Send heartbeat signals",
        kind=Kind.AGENT,
        permission=_AGENTS,
    ),
)

# Second names that are not the same words turned around. Each is also known turned around.
OTHER_NAMES = {"events:read": READ_AUDIT_ACTIVITY}
