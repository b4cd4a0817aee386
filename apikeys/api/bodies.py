"""What the management API is sent, read strictly: everything that is wrong with it is told at once, by field."""

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeVar

import msgspec
from django.http import HttpRequest
from django.utils import timezone
from msgspec import UNSET, Meta, UnsetType

from apikeys import networks
from apikeys.api.serializers import read_id
from apikeys.kind import Kind
from apikeys.networks import MOST_NETWORKS, Network
from apikeys.services import LONGEST_GRACE, Changes, Order
from apikeys.services.callers import Caller
from audit import trail
from config.lib import bodies
from config.lib.environment import Environment
from config.lib.problems import ApiProblem
from config.lib.text import is_visible

DEFAULT_EXPIRY = timedelta(days=90)
LATEST_EXPIRY = timedelta(days=3653)
MOST_SCOPES = 64
MOST_IDEMPOTENCY_KEY = 255

Form = TypeVar("Form", bound=msgspec.Struct)
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Description = Annotated[str, Meta(max_length=500)]
Scopes = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=MOST_SCOPES)
]
_NETWORK = {
    "pattern": r"^\s*[0-9A-Fa-f:.]+(/[0-9.]+)?\s*$",
    "examples": ["192.0.2.0/24", "2001:db8::/32"],
}
Networks = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=64, extra_json_schema=_NETWORK)]],
    Meta(max_length=MOST_NETWORKS),
]
Days = Literal[30, 60, 90, 180, 365]
Moment = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[int, Meta(ge=0, le=int(LONGEST_GRACE.total_seconds()))]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`expires_in_days` or `expires_at`, not both; without either it is 90 days. `null` days never end.

    A key that issues keys hands on its own environment, networks and end where these are not said.
    """

    name: Name
    description: Description = ""
    scopes: Scopes = []
    expires_in_days: Days | UnsetType | None = UNSET
    expires_at: Moment | None = None
    environment: Literal["live", "test"] | UnsetType = UNSET
    organization_id: Annotated[str, Meta(max_length=64)] | None = None
    allowed_cidrs: Networks | UnsetType = UNSET
    kind: Literal["public", "agent"] = "public"


class KeyEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    allowed_cidrs: Networks | UnsetType = UNSET


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`grace`: for how many seconds the old secret still works."""

    grace: Seconds = 0


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=255)] = ""


@dataclass(slots=True)
class Errors:
    """What is wrong, by field, gathered until it is raised as one problem."""

    by_field: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, sentence: str) -> None:
        self.by_field.setdefault(name, []).append(sentence)

    def line(self, name: str, text: str) -> str:
        """Read one line of text that shows as it is."""
        if not is_visible(text):
            self.add(name, "Remove the invisible or control characters.")
        return text.strip()

    def name(self, text: str) -> str:
        name = self.line("name", text)
        if not name:
            self.add("name", "Enter a name.")
        return name

    def networks(self, texts: Iterable[str]) -> tuple[Network, ...]:
        try:
            return networks.parse(texts)
        except ValueError as error:
            self.add("allowed_cidrs", str(error))
            return ()

    def check(self) -> None:
        """Raises ApiProblem if there are any."""
        if self.by_field:
            raise ApiProblem("validation_failed", errors=self.by_field)


def read_new_key(request: HttpRequest, caller: Caller) -> tuple[NewKey, Order]:
    """Read what is ordered, checked and with its defaults. Raises ApiProblem."""
    pairs = bodies.parse(request)
    sent = bodies.fill(pairs, NewKey)
    errors = Errors()
    idempotency_key = _idempotency_key(request, caller, errors)
    order = Order(
        name=errors.name(sent.name),
        description=errors.line("description", sent.description),
        environment=_environment(sent, caller),
        expires_at=_expiry(sent, timezone.now(), caller, errors),
        allowed=_networks(sent, caller, errors),
        idempotency_key=idempotency_key,
        request_digest=hashlib.sha256(trail.canonical(dict(pairs)).encode()).hexdigest()
        if idempotency_key
        else None,
    )
    if Kind(sent.kind) is Kind.AGENT and sent.scopes:
        errors.add("scopes", "Agent keys have the fixed scopes of their kind: leave this out.")
    if Kind(sent.kind) is Kind.PUBLIC and not sent.scopes:
        errors.add("scopes", "Choose at least one scope: a key without one can do nothing.")
    errors.check()
    return sent, order


def read_changes(request: HttpRequest) -> Changes:
    """Raises ApiProblem."""
    sent = bodies.read(request, KeyEdit)
    errors = Errors()
    if sent.scopes is not UNSET and not sent.scopes:
        errors.add("scopes", "A key keeps at least one scope: without one it can do nothing.")
    changes = Changes(
        name=None if sent.name is UNSET else errors.name(sent.name),
        description=None
        if sent.description is UNSET
        else errors.line("description", sent.description),
        scopes=None if sent.scopes is UNSET else sent.scopes,
        allowed=None if sent.allowed_cidrs is UNSET else errors.networks(sent.allowed_cidrs),
    )
    errors.check()
    return changes


def read_grace(request: HttpRequest) -> timedelta:
    sent = _read_optional(request, Rotation)
    return timedelta(seconds=sent.grace)


def read_reason(request: HttpRequest) -> str:
    sent = _read_optional(request, Revocation)
    errors = Errors()
    reason = errors.line("reason", sent.reason)
    errors.check()
    return reason


def _read_optional(request: HttpRequest, form: type[Form]) -> Form:
    return bodies.read(request, form) if bodies.has_body(request.META) else form()


def organization_of(sent: NewKey) -> uuid.UUID | None:
    return read_id("org", sent.organization_id or "")


def _environment(sent: NewKey, caller: Caller) -> Environment:
    if sent.environment is not UNSET:
        return Environment(sent.environment)
    return Environment(caller.key.environment) if caller.key else Environment.LIVE


def _networks(sent: NewKey, caller: Caller, errors: Errors) -> tuple[Network, ...]:
    if sent.allowed_cidrs is not UNSET:
        return errors.networks(sent.allowed_cidrs)
    return caller.key.allowed if caller.key else ()


def _expiry(sent: NewKey, now: datetime, caller: Caller, errors: Errors) -> datetime | None:
    if sent.expires_at is None:
        return _expiry_in_days(sent, now, caller)
    if sent.expires_in_days is not UNSET:
        errors.add("expires_at", "Give expires_at or expires_in_days, not both.")
    elif not now < sent.expires_at <= now + LATEST_EXPIRY:
        errors.add("expires_at", "The expiry has to be in the future, and within ten years.")
    else:
        return sent.expires_at.astimezone(UTC)  # PostgreSQL knows no offset of 16 hours or more
    return None


def _expiry_in_days(sent: NewKey, now: datetime, caller: Caller) -> datetime | None:
    if sent.expires_in_days is None:
        return None
    if sent.expires_in_days is not UNSET:
        return now + timedelta(days=sent.expires_in_days)
    usual = now + DEFAULT_EXPIRY
    return min(usual, caller.key.expires_at) if caller.key and caller.key.expires_at else usual


def _idempotency_key(request: HttpRequest, caller: Caller, errors: Errors) -> str | None:
    """Of what the caller chose, a key of its own: two callers who choose the same do not meet."""
    header = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if header is None:
        return None
    if not (0 < len(header) <= MOST_IDEMPOTENCY_KEY and header.isascii() and header.isprintable()):
        errors.add(
            "Idempotency-Key",
            f"The header has 1 to {MOST_IDEMPOTENCY_KEY} printable ASCII characters.",
        )
    return hashlib.sha256(f"{caller.id}\0{header}".encode(errors="replace")).hexdigest()
