"""The registry of scopes and the permission that each requires. ``KEYWAY_SCOPES`` adds more."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from apikeys import conf
from apikeys.kind import Kind
from tenants.roles import PERMISSIONS, Permission, Role


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
        "Create, edit, rotate and revoke keys no stronger than this one",
    ),
    Scope(
        "read:databases", "Read Databases", "View database connections and metadata", state=_VERIFY
    ),
    Scope(
        "write:databases",
        "Write Databases",
        "Create, update and delete database connections",
        state=_VERIFY,
        permission=_AGENTS,
    ),
    Scope("read:policies", "Read Policies", "View audit policies and rules", state=_VERIFY),
    Scope(
        "write:policies",
        "Write Policies",
        "Create, update and delete audit policies",
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
    Scope(
        ADMIN,
        "Admin",
        "Everything that any key can do. Only an owner can grant it",
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


@dataclass(frozen=True, slots=True)
class Preset:
    """Scopes that are often granted together."""

    title: str
    scopes: tuple[str, ...]


# What a key gets if no scopes are chosen.
READ = Preset("Read", (READ_AUDIT_ACTIVITY,))
PRESETS = (READ, Preset("Manage keys", (MANAGE_API_KEYS,)))

_Extra = tuple[tuple[tuple[str, str], ...], ...]


def registry() -> dict[str, Scope]:
    """Return every scope by name. Raises ValueError if an entry of ``KEYWAY_SCOPES`` is invalid."""
    return _registry(_extra())


def _extra() -> _Extra:
    return tuple(tuple(sorted(fields.items())) for fields in conf.extra_scopes())


@lru_cache(maxsize=4)
def _registry(extra: _Extra) -> dict[str, Scope]:
    scopes = {scope.name: scope for scope in BUILT_IN}
    for fields in extra:
        scope = _from_setting(dict(fields))
        if scope.name in scopes:
            raise ValueError(f"KEYWAY_SCOPES: {scope.name} is already registered")
        scopes[scope.name] = scope
    return scopes


def _from_setting(fields: dict[str, str]) -> Scope:
    try:
        kind = Kind(fields.pop("kind", Kind.PUBLIC))
        usual = _AGENTS if kind is Kind.AGENT else Permission.ISSUE_OWN_KEYS
        scope = Scope(
            name=fields.pop("name"),
            title=fields.pop("title"),
            description=fields.pop("description"),
            kind=kind,
            state=State(fields.pop("state", State.ACTIVE)),
            permission=Permission[fields.pop("permission", usual.name).upper()],
        )
    except (KeyError, ValueError) as error:
        raise ValueError(
            "KEYWAY_SCOPES: a scope needs name, title, description, "
            f"and a known kind, state and permission ({error})"
        ) from error
    if fields:
        raise ValueError(f"KEYWAY_SCOPES: unknown field {min(fields)}")
    left, _, right = scope.name.partition(":")
    if (
        not left
        or not right
        or not scope.name.isascii()
        or not scope.name.isprintable()
        or set(scope.name) & set(' ,"\\')
    ):
        raise ValueError("KEYWAY_SCOPES: a scope name must be verb:resource or resource:verb")
    return scope


def titles(names: Iterable[str]) -> list[str]:
    """Return the scopes' titles. A name that is no longer registered is returned unchanged."""
    known = registry()
    return [known[name].title if name in known else name for name in names]


def of_kind(kind: Kind) -> list[Scope]:
    return [scope for scope in registry().values() if scope.kind == kind]


def agent_scopes() -> frozenset[str]:
    """The fixed scopes of every agent key.

    They are not stored, so new agent scopes reach old keys.
    """
    return frozenset(scope.name for scope in of_kind(Kind.AGENT) if scope.is_grantable)


def held_with(permissions: frozenset[Permission]) -> frozenset[str]:
    """The scopes that these permissions allow a user to hold, and therefore to grant."""
    return _held(_extra(), permissions)


def held_by(role: str) -> frozenset[str]:
    return held_with(PERMISSIONS[Role(role)])


def of_organization() -> frozenset[str]:
    """The scopes that an organization key can have: those an admin holds, so never `admin`."""
    return held_by(Role.ADMIN)


@lru_cache(maxsize=64)
def _held(extra: _Extra, permissions: frozenset[Permission]) -> frozenset[str]:
    return frozenset(
        scope.name for scope in _registry(extra).values() if scope.is_held_with(permissions)
    )


def expand(names: Iterable[str]) -> frozenset[str]:
    """Replace `admin` by the scopes it stands for: every scope that an owner can hold."""
    held = frozenset(names)
    return held | held_by(Role.OWNER) if ADMIN in held else held


def include(names: Collection[str], wanted: str) -> bool:
    """Whether a credential with these scopes has `wanted`. `admin` covers every public scope."""
    if wanted in names:
        return True
    scope = registry().get(wanted) if ADMIN in names else None
    return scope is not None and scope.kind is Kind.PUBLIC
