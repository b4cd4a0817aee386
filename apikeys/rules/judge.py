"""Judge keys by the rules of their organization. Pure.

Issuing, widening, collecting and resuming a key require that it breaks no rule. Rotating, pausing
and revoking do not: a rule must never keep a leaked secret in use.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from django.db import models

from apikeys import networks
from apikeys.kind import Kind
from apikeys.networks import Network
from config.lib.environment import Environment

# Keys expire at the end of a day in the person's time zone, and a day that ends summer time has 25
# hours. Without this, a key "for 30 days" would break a rule of 30 days.
LAST_DAY = timedelta(hours=25)


class Issuers(models.TextChoices):
    """Who may have public keys issued."""

    MEMBERS = "members", "Members their own keys, admins and owners all keys"
    ADMINS = "admins", "Only admins and owners"


class KeyRule(Enum):
    ISSUERS = "Who may issue"
    NEVER = "No expiry"
    LIFETIME = "Longest lifetime"
    NETWORKS = "Networks"


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a key breaks, and the sentence that says what to do."""

    rule: KeyRule
    sentence: str


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What the rules look at.

    `is_of_member` is true for a public key of a member who is neither admin nor owner.
    """

    environment: str
    created_at: datetime
    expires_at: datetime | None = None
    allowed: tuple[Network, ...] = ()
    is_of_member: bool = False


class Rotatable(Protocol):
    """A key as far as rotation goes. `secret_at` is when it got its newest secret."""

    @property
    def environment(self) -> str: ...

    @property
    def secret_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one organization. The defaults demand nothing.

    `longest_days` also rules out keys that never expire. `live_networks` empty demands no network.
    """

    issuers: Issuers = Issuers.MEMBERS
    longest_days: int | None = None
    allows_never: bool = True
    live_networks: tuple[Network, ...] = ()
    needs_approval: bool = False
    rotate_live_days: int | None = None
    rotate_test_days: int | None = None

    @property
    def requires_expiry(self) -> bool:
        return self.longest_days is not None or not self.allows_never

    def needs_approval_of(self, kind: str, environment: str) -> bool:
        """Whether a second person must approve such a key.

        Agent keys need none: only admins issue them, and they read nothing of the organization.
        """
        return self.needs_approval and kind == Kind.PUBLIC and environment == Environment.LIVE

    def demanded(self, environment: str) -> tuple[Network, ...]:
        """The networks that a key gets if its order names none."""
        return self.live_networks if environment == Environment.LIVE else ()

    def rotate_days(self, environment: str) -> int | None:
        is_live = environment == Environment.LIVE
        return self.rotate_live_days if is_live else self.rotate_test_days

    @property
    def sentences(self) -> list[str]:
        """The rules in words, for the people who create keys."""
        return list(_sentences(self))


NO_RULES = Rules()


def broken(key: KeyFacts, rules: Rules) -> tuple[Broken, ...]:
    """Return the rules that the key breaks.

    Agent keys have no owner, so that the rule on issuers never concerns them.
    """
    return tuple(_broken(key, rules))


def rotation_due(key: Rotatable, rules: Rules, at: datetime) -> datetime | None:
    """Return since when the key is due for rotation, or None if it is not due at `at`."""
    days = rules.rotate_days(key.environment)
    due_at = key.secret_at + timedelta(days=days) if days else None
    return due_at if due_at and due_at <= at else None


def _broken(key: KeyFacts, rules: Rules) -> Iterator[Broken]:
    if key.is_of_member and rules.issuers is Issuers.ADMINS:
        yield Broken(KeyRule.ISSUERS, "Only admins and owners can have keys in this organization.")
    if key.expires_at is None:
        if rules.requires_expiry:
            yield Broken(KeyRule.NEVER, "Keys must expire. Choose an expiry date.")
    elif rules.longest_days and key.expires_at - key.created_at > (
        timedelta(days=rules.longest_days) + LAST_DAY
    ):
        sentence = f"Keys last at most {_days(rules.longest_days)}. Choose an earlier expiry date."
        yield Broken(KeyRule.LIFETIME, sentence)
    demanded = rules.demanded(key.environment)
    if demanded and not networks.cover(demanded, key.allowed):
        sentence = f"Live keys must be bound to networks within {_listed(demanded)}."
        yield Broken(KeyRule.NETWORKS, sentence)


def _sentences(rules: Rules) -> Iterator[str]:
    if rules.issuers is Issuers.ADMINS:
        yield "Only admins and owners can have keys."
    if rules.longest_days:
        yield f"Keys last at most {_days(rules.longest_days)}."
    elif rules.requires_expiry:
        yield "Keys must expire."
    if rules.live_networks:
        yield f"Live keys work only from {_listed(rules.live_networks)}."
    if rules.needs_approval:
        yield "A second person must approve each live key."


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _listed(found: tuple[Network, ...]) -> str:
    return ", ".join(str(network) for network in found)
