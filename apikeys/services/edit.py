"""Edit what a key is called and what it may do."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from apikeys.authority import Authority
from apikeys.errors import ScopeNotGrantable
from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.networks import Network
from apikeys.services.change import grantable, lock_usable, record, require_authority
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.changes import leases
from tenants.changes.leases import Receipt

_FIELDS = ("name", "description", "scopes", "allowed_cidrs")


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be different; None leaves it as it is."""

    name: str | None = None
    description: str | None = None
    scopes: Collection[str] | None = None
    allowed: tuple[Network, ...] | None = None


def edit(*, key: Key, changes: Changes, within: Authority, by: Actor) -> Receipt:
    """Change the key. To narrow it takes no power; whoever widens it grants the whole of what it then is.

    Raises NotUsable for a key that is revoked or expired, ScopeNotGrantable, StrongerThanIssuer.
    """
    with transaction.atomic():
        locked = lock_usable(key)
        old, before = {name: getattr(locked, name) for name in _FIELDS}, locked.authority
        _apply(locked, changes)
        if not before.covers(locked.authority):
            require_authority(locked, within)
        changed = {name: value for name, value in old.items() if getattr(locked, name) != value}
        if changed:
            locked.save(update_fields=list(changed))
            data = {
                name: {"from": value, "to": getattr(locked, name)}
                for name, value in changed.items()
            }
            record(Action.KEY_EDITED, locked, by, data)
    is_weaker = not locked.authority.covers(before)
    return leases.end() if is_weaker else Receipt(effective_at=timezone.now())


def _apply(key: Key, changes: Changes) -> None:
    if changes.name is not None:
        key.name = changes.name
    if changes.description is not None:
        key.description = changes.description
    if changes.scopes is not None:
        key.scopes = _chosen(key, changes.scopes)
    if changes.allowed is not None:
        key.allowed_cidrs = [str(network) for network in changes.allowed]


def _chosen(key: Key, names: Collection[str]) -> list[str]:
    """What the key has already can stay, also where it could not be granted anew."""
    if key.kind == Kind.AGENT:
        raise ScopeNotGrantable("Agent keys have the fixed scopes of their kind.")
    added = set(names) - set(key.scopes)
    if added or not names:
        grantable(added)
    return sorted(set(names))
