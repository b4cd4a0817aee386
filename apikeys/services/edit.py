"""Edit a key: its label, description, holder, scopes, networks and end."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apikeys import scopes
from apikeys.authority import Authority
from apikeys.errors import (
    ApprovalRequired,
    ExpiryInThePast,
    ExpiryMovedOut,
    ScopeNotGrantable,
)
from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.networks import Network
from apikeys.services.change import grantable, lock_usable, record, require_authority
from apikeys.services.rules import require_rules, rules_of
from audit.trail.actions import Action
from audit.trail.actor import Actor
from tenants.changes import leases
from tenants.changes.leases import Receipt

_FIELDS = ("name", "description", "held_by", "scopes", "allowed_cidrs", "expires_at")


@dataclass(frozen=True, slots=True)
class Changes:
    """The new values. None leaves a field unchanged, the end too: no edit can remove it."""

    name: str | None = None
    description: str | None = None
    held_by: str | None = None
    scopes: Collection[str] | None = None
    allowed: tuple[Network, ...] | None = None
    expires_at: datetime | None = None


def edit(*, key: Key, changes: Changes, within: Authority, by: Actor) -> Receipt:
    """Edit the key. Widening it requires authority over all it can then do; narrowing does not.

    Raises NotUsable if the key is revoked or expired, ScopeNotGrantable, StrongerThanIssuer,
    ExpiryInThePast, ExpiryMovedOut, RulesBroken, or ApprovalRequired if a second person would have
    to approve the wider key.
    """
    with transaction.atomic():
        # Compare with the locked row. Against a stale copy, a change could count as narrowing
        # although another edit narrowed the key further in the meantime.
        locked = lock_usable(key)
        old, before = {name: getattr(locked, name) for name in _FIELDS}, locked.authority
        _apply(locked, changes)
        # The whole key is checked, not what was added: two callers could otherwise each add a part
        # and together make a key that neither may issue.
        if not before.covers(locked.authority):
            require_authority(locked, within)
            _require_rules(locked)
        changed = {name: value for name, value in old.items() if getattr(locked, name) != value}
        if changed:
            locked.save(update_fields=list(changed))
            data = {
                name: {"from": _recorded(value), "to": _recorded(getattr(locked, name))}
                for name, value in changed.items()
            }
            record(Action.KEY_EDITED, locked, by, data)
    # After the commit: a lease read before it can still grant what was removed, until this wait is
    # over. If nothing was removed there is nothing to wait for, and renaming a key stays fast.
    is_weaker = not locked.authority.covers(before)
    return leases.end() if is_weaker else Receipt(effective_at=timezone.now())


def _require_rules(key: Key) -> None:
    rules = rules_of(key.organization_id, locked=True)
    require_rules(key, rules)
    # A request describes a whole new key. Approving a difference was rejected: the key could
    # change again between the request and the answer.
    if rules.needs_approval_of(key.kind, key.environment):
        raise ApprovalRequired(
            "A second person must approve wider access of live keys in this organization. "
            "Request a new key, and revoke this one once you have switched over."
        )


def _apply(key: Key, changes: Changes) -> None:
    if changes.name is not None:
        key.name = changes.name
    if changes.description is not None:
        key.description = changes.description
    if changes.held_by is not None:
        key.held_by = changes.held_by
    if changes.scopes is not None:
        key.scopes = _chosen(key, changes.scopes)
    if changes.allowed is not None:
        key.allowed_cidrs = [str(network) for network in changes.allowed]
    if changes.expires_at is not None:
        key.expires_at = _nearer(key, changes.expires_at)


def _chosen(key: Key, names: Collection[str]) -> list[str]:
    """Check added scopes only. A key keeps those it has, even if they can no longer be granted."""
    if key.kind == Kind.AGENT:
        raise ScopeNotGrantable("Agent keys have fixed scopes.")
    added = scopes.canonical_all(names) - scopes.canonical_all(key.scopes)
    if added or not names:
        grantable(added)
    return scopes.distinct(names)


def _nearer(key: Key, end: datetime) -> datetime:
    """Check that the end lies ahead and not after the present one.

    A trigger refuses a later end too. This names the reason.
    """
    if end <= timezone.now():
        raise ExpiryInThePast()
    if key.expires_at and end > key.expires_at:
        raise ExpiryMovedOut()
    return end


def _recorded(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
