"""The registry of scopes. Operators register more in ``KEYWAY_SCOPES``."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from apikeys import conf
from apikeys.kind import Kind


class State(StrEnum):
    ACTIVE = "active"
    COMING_SOON = "coming_soon"


@dataclass(frozen=True, slots=True)
class Scope:
    """`name` is ``verb:resource``; `kind` is the kind of key that can hold it."""

    name: str
    title: str
    description: str
    kind: Kind = Kind.PUBLIC
    state: State = State.ACTIVE

    @property
    def is_active(self) -> bool:
        return self.state is State.ACTIVE


READ_AUDIT_ACTIVITY = "read:audit-activity"
WRITE_AGENT_EVENTS = "write:agent-events"
READ_AGENT_CONFIG = "read:agent-config"
WRITE_AGENT_HEARTBEAT = "write:agent-heartbeat"

BUILT_IN = (
    Scope(READ_AUDIT_ACTIVITY, "Read Audit Activity", "Access to audit activity events"),
    Scope("read:alerts", "Read Alerts", "Access to alerts", state=State.COMING_SOON),
    Scope("read:findings", "Read Findings", "Access to findings", state=State.COMING_SOON),
    Scope("read:compliance", "Read Compliance", "Access to compliance health data", state=State.COMING_SOON),
    Scope("read:reports", "Read Reports", "Generate and download reports", state=State.COMING_SOON),
    Scope(WRITE_AGENT_EVENTS, "Send Audit Events", "Send batches of audit events", kind=Kind.AGENT),
    Scope(READ_AGENT_CONFIG, "Read Agent Configuration", "Receive configuration updates", kind=Kind.AGENT),
    Scope(WRITE_AGENT_HEARTBEAT, "Send Heartbeats", "Send heartbeat signals", kind=Kind.AGENT),
)


def registry() -> dict[str, Scope]:
    """Every scope by name. Raises ValueError where ``KEYWAY_SCOPES`` does not describe one."""
    extra = tuple(tuple(sorted(fields.items())) for fields in conf.extra_scopes())
    return _registry(extra)


@lru_cache(maxsize=4)
def _registry(extra: tuple[tuple[tuple[str, str], ...], ...]) -> dict[str, Scope]:
    scopes = {scope.name: scope for scope in BUILT_IN}
    for fields in extra:
        scope = _from_setting(dict(fields))
        if scope.name in scopes:
            raise ValueError(f"KEYWAY_SCOPES: {scope.name} is registered already")
        scopes[scope.name] = scope
    return scopes


def _from_setting(fields: dict[str, str]) -> Scope:
    try:
        scope = Scope(
            name=fields.pop("name"),
            title=fields.pop("title"),
            description=fields.pop("description"),
            kind=Kind(fields.pop("kind", Kind.PUBLIC)),
            state=State(fields.pop("state", State.ACTIVE)),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"KEYWAY_SCOPES: a scope needs name, title, description, and a known kind and state ({error})"
        ) from error
    if fields:
        raise ValueError(f"KEYWAY_SCOPES: unknown field {min(fields)}")
    verb, _, resource = scope.name.partition(":")
    if not verb or not resource or not scope.name.isascii() or not scope.name.isprintable() or " " in scope.name:
        raise ValueError("KEYWAY_SCOPES: a scope's name is verb:resource")
    return scope


def of_kind(kind: Kind) -> list[Scope]:
    return [scope for scope in registry().values() if scope.kind == kind]


def agent_scopes() -> frozenset[str]:
    """What every agent key may do; it is not chosen, so it is not stored."""
    return frozenset(scope.name for scope in of_kind(Kind.AGENT) if scope.is_active)
