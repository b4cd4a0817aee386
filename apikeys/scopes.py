"""The registry of scopes, their spellings, and what each role can hold.

`canonical` is the only place that knows spellings. A scope is stored as it was asked for, and
everything that decides compares canonical names.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from apikeys import conf
from apikeys.built_in_scopes import (
    ADMIN,
    BUILT_IN,
    MANAGE_API_KEYS,
    OTHER_NAMES,
    READ_AUDIT_ACTIVITY,
    Scope,
    State,
)
from apikeys.kind import Kind
from tenants.roles import PERMISSIONS, Permission, Role

__all__ = ["ADMIN", "MANAGE_API_KEYS", "READ_AUDIT_ACTIVITY", "Scope", "State"]


@dataclass(frozen=True, slots=True)
class Preset:
    """Scopes that are often granted together."""

    title: str
    scopes: tuple[str, ...]


# What a key gets if its form or call chooses no scopes.
READ = Preset("Read", (READ_AUDIT_ACTIVITY,))
PRESETS = (READ, Preset("Manage keys", (MANAGE_API_KEYS,)))

_Extra = tuple[tuple[tuple[str, str], ...], ...]


class _Registered(NamedTuple):
    """Every scope by its canonical name, and the canonical name of every spelling."""

    scopes: dict[str, Scope]
    spellings: dict[str, str]


def registry() -> dict[str, Scope]:
    """Return every scope by canonical name.

    Raises ValueError if an entry of ``KEYWAY_SCOPES`` is invalid.
    """
    return _known(_extra()).scopes


def spellings() -> dict[str, str]:
    """Return the canonical name of every spelling, canonical names included."""
    return _known(_extra()).spellings


def canonical(name: str) -> str:
    """Return the registered name of a scope: ``api-keys:manage`` is ``manage:api-keys``.

    An unknown name is returned unchanged, so it equals no scope.
    """
    return spellings().get(name, name)


def canonical_all(names: Iterable[str]) -> frozenset[str]:
    known = spellings()
    return frozenset([known.get(name, name) for name in names])


def distinct(names: Iterable[str]) -> list[str]:
    """Sort the names and keep one spelling of each scope, the first."""
    known, kept = spellings(), dict[str, str]()
    for name in names:
        kept.setdefault(known.get(name, name), name)
    return sorted(kept.values())


def _extra() -> _Extra:
    return tuple(tuple(sorted(fields.items())) for fields in conf.extra_scopes())


@lru_cache(maxsize=4)
def _known(extra: _Extra) -> _Registered:
    scopes = {scope.name: scope for scope in BUILT_IN}
    built_in = _spell(scopes)
    named = set[str]()
    for fields in extra:
        entry = dict(fields)
        of_ours = scopes.get(built_in.get(entry.get("name", ""), ""))
        scope = _activated(of_ours, entry) if of_ours else _from_setting(entry)
        if scope.name in named:
            raise ValueError(f"KEYWAY_SCOPES: {scope.name} is already registered")
        named.add(scope.name)
        scopes[scope.name] = scope
    spelled = _spell(scopes)
    # An operator's scope of the same name was there first. Keys that have it must not get Keyway's.
    return _Registered(
        scopes, {other: name for other, name in _other_names() if other not in spelled} | spelled
    )


def _spell(scopes: Iterable[str]) -> dict[str, str]:
    """Map both spellings of each name to it. Raises ValueError if two scopes share one."""
    spelled: dict[str, str] = {}
    for name in scopes:
        for spelling in {name, _turned(name)}:
            if spelling in spelled:
                raise ValueError(
                    f"KEYWAY_SCOPES: {name} is another spelling of {spelled[spelling]}"
                )
            spelled[spelling] = name
    return spelled


def _other_names() -> Iterable[tuple[str, str]]:
    for other, name in OTHER_NAMES.items():
        yield other, name
        yield _turned(other), name


def _turned(name: str) -> str:
    """Return ``resource:verb`` for ``verb:resource``, and the reverse."""
    left, colon, right = name.partition(":")
    return f"{right}:{left}" if colon and ":" not in right else name


def _activated(scope: Scope, fields: dict[str, str]) -> Scope:
    """Return a built-in scope as an entry changes it, for a product that serves it."""
    if scope.state is State.ACTIVE:
        # Keyway enforces these itself, so an entry could only weaken who can hold one.
        raise ValueError(f"KEYWAY_SCOPES: {scope.name} is built in and already active")
    given = {
        "title": scope.title,
        "description": scope.description,
        "kind": scope.kind,
        "state": State.VERIFY_ONLY,
        "permission": scope.permission.name,
    } | fields
    if given["kind"] != scope.kind:
        raise ValueError(f"KEYWAY_SCOPES: {scope.name} is a scope of {scope.kind} keys")
    return _from_setting(given | {"name": scope.name})


def _from_setting(fields: dict[str, str]) -> Scope:
    try:
        kind = Kind(fields.pop("kind", Kind.PUBLIC))
        usual = Permission.MANAGE_AGENTS if kind is Kind.AGENT else Permission.ISSUE_OWN_KEYS
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
    return [known[name].title if name in known else name for name in map(canonical, names)]


def read_preset() -> list[str]:
    """The scopes of the preset *Read* that can be granted."""
    known = registry()
    return [name for name in READ.scopes if known[name].is_grantable]


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
        scope.name for scope in _known(extra).scopes.values() if scope.is_held_with(permissions)
    )


def expand(names: Iterable[str]) -> frozenset[str]:
    """Return canonical names, with `admin` as all it stands for: every scope an owner can hold."""
    held = canonical_all(names)
    return held | held_by(Role.OWNER) if ADMIN in held else held


def include(names: Collection[str], wanted: str) -> bool:
    """Whether a credential with these canonical names has `wanted`, in either spelling.

    `admin` covers every public scope.
    """
    # First without the registry: a canonical `wanted` is the rule, at every request.
    if wanted in names:
        return True
    name = canonical(wanted)
    if name in names:
        return True
    scope = registry().get(name) if ADMIN in names else None
    return scope is not None and scope.kind is Kind.PUBLIC
