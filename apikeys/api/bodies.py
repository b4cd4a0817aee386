"""Read the request bodies of the management API, and report every error at once, by field."""

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeVar

import msgspec
from django.http import HttpRequest
from django.utils import timezone
from msgspec import UNSET, Meta, UnsetType

from apikeys import networks
from apikeys.api.serializers import read_id
from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.networks import MOST_NETWORKS, Network
from apikeys.services import LONGEST_GRACE, Changes, Order, Overlap
from apikeys.services.callers import Caller, Holding
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
HeldBy = Annotated[
    str, Meta(max_length=255, description="The team, system or place where the key is stored.")
]
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
    """A key to issue.

    Send `expires_in_days` or `expires_at`, not both. The default is 90 days, and `null` days never
    expire. If a key issues the new key, its environment, networks and expiry are the defaults.
    `owner` is `me`, or `organization` for a key that survives its issuer. An organization key can
    only issue organization keys, and that is its default.
    """

    name: Name
    description: Description = ""
    held_by: HeldBy = ""
    scopes: Scopes = []
    expires_in_days: Days | UnsetType | None = UNSET
    expires_at: Moment | None = None
    environment: Literal["live", "test"] | UnsetType = UNSET
    organization_id: Annotated[str, Meta(max_length=64)] | None = None
    allowed_cidrs: Networks | UnsetType = UNSET
    kind: Literal["public", "agent"] = "public"
    owner: Literal["me", "organization"] | UnsetType = UNSET


class KeyEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes to a key. Omitted fields keep their values.

    `expires_at` can be brought nearer but not moved out. A key without one can be given one.
    """

    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    held_by: HeldBy | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    allowed_cidrs: Networks | UnsetType = UNSET
    expires_at: Moment | UnsetType = UNSET


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`grace` is how many seconds the old secret keeps working after the first use of the new one.

    Without it, the old secret ends at once. `finish_with_last_host` ends the old secret of an agent
    key earlier, as soon as every known host has used the new one.
    """

    grace: Seconds = 0
    finish_with_last_host: bool = False


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=255)] = ""


@dataclass(slots=True)
class Errors:
    """Collects errors by field, to raise them as one problem."""

    by_field: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, sentence: str) -> None:
        self.by_field.setdefault(name, []).append(sentence)

    def line(self, name: str, text: str) -> str:
        """Return one line of text without surrounding spaces, and check that it is visible."""
        if not is_visible(text):
            self.add(name, "Remove invisible and control characters.")
        return text.strip()

    def name(self, text: str) -> str:
        name = self.line("name", text)
        if not name:
            self.add("name", "Enter a name.")
        return name

    def networks(self, texts: Iterable[str], name: str = "allowed_cidrs") -> tuple[Network, ...]:
        try:
            return networks.parse(texts)
        except ValueError as error:
            self.add(name, str(error))
            return ()

    def moment_ahead(self, end: datetime, now: datetime) -> datetime:
        if not now < end <= now + LATEST_EXPIRY:
            self.add("expires_at", "The expiry must be in the future and within ten years.")
            return now
        return end.astimezone(UTC)  # PostgreSQL rejects offsets of 16 hours or more

    def check(self) -> None:
        """Raises ApiProblem if there are errors."""
        if self.by_field:
            raise ApiProblem("validation_failed", errors=self.by_field)


def read_new_key(request: HttpRequest, caller: Caller) -> tuple[NewKey, Order]:
    """Read and check a new key, and fill in the defaults. Raises ApiProblem."""
    pairs = bodies.parse(request)
    body = bodies.fill(pairs, NewKey)
    errors = Errors()
    order = order_of(body, caller, errors)
    if idempotency_key := _idempotency_key(request, caller, errors):
        digest = hashlib.sha256(trail.canonical(dict(pairs)).encode()).hexdigest()
        order = replace(order, idempotency_key=idempotency_key, request_digest=digest)
    if Kind(body.kind) is Kind.AGENT and body.scopes:
        errors.add("scopes", "Agent keys have a fixed set of scopes. Omit this field.")
    if Kind(body.kind) is Kind.AGENT and body.owner is not UNSET:
        errors.add("owner", "Agent keys belong to the organization. Omit this field.")
    if Kind(body.kind) is Kind.PUBLIC and not body.scopes:
        errors.add("scopes", "Choose at least one scope. A key without scopes can do nothing.")
    errors.check()
    return body, order


def order_of(body: NewKey, caller: Caller, errors: Errors) -> Order:
    """Return what the body orders, with the caller's defaults. Adds to `errors`."""
    return Order(
        name=errors.name(body.name),
        description=errors.line("description", body.description),
        held_by=errors.line("held_by", body.held_by),
        environment=_environment(body, caller),
        expires_at=_expiry(body, timezone.now(), caller, errors),
        allowed=_networks(body, caller, errors),
    )


def read_changes(request: HttpRequest) -> Changes:
    """Raises ApiProblem."""
    body = bodies.read(request, KeyEdit)
    errors = Errors()
    if body.scopes is not UNSET and not body.scopes:
        errors.add("scopes", "Keep at least one scope. A key without scopes can do nothing.")
    changes = Changes(
        name=None if body.name is UNSET else errors.name(body.name),
        description=None
        if body.description is UNSET
        else errors.line("description", body.description),
        held_by=None if body.held_by is UNSET else errors.line("held_by", body.held_by),
        scopes=None if body.scopes is UNSET else body.scopes,
        allowed=None if body.allowed_cidrs is UNSET else errors.networks(body.allowed_cidrs),
        expires_at=None
        if body.expires_at is UNSET
        else errors.moment_ahead(body.expires_at, timezone.now()),
    )
    errors.check()
    return changes


def read_overlap(request: HttpRequest, key: Key) -> Overlap:
    body = _read_optional(request, Rotation)
    errors = Errors()
    if body.finish_with_last_host and not (key.kind == Kind.AGENT and body.grace):
        errors.add("finish_with_last_host", "This needs an agent key and a grace.")
    errors.check()
    return Overlap(timedelta(seconds=body.grace), body.finish_with_last_host)


def read_reason(request: HttpRequest) -> str:
    body = _read_optional(request, Revocation)
    errors = Errors()
    reason = errors.line("reason", body.reason)
    errors.check()
    return reason


def _read_optional(request: HttpRequest, form: type[Form]) -> Form:
    return bodies.read(request, form) if bodies.has_body(request.META) else form()


def organization_of(body: NewKey) -> uuid.UUID | None:
    return read_id("org", body.organization_id or "")


def holding_of(body: NewKey, caller: Caller) -> Holding:
    if Kind(body.kind) is Kind.AGENT:
        return Holding.AGENTS
    if body.owner is UNSET:
        return Holding.OWN if caller.user else Holding.ORGANIZATION
    return Holding.OWN if body.owner == "me" else Holding.ORGANIZATION


def _environment(body: NewKey, caller: Caller) -> Environment:
    if body.environment is not UNSET:
        return Environment(body.environment)
    return Environment(caller.key.environment) if caller.key else Environment.LIVE


def _networks(body: NewKey, caller: Caller, errors: Errors) -> tuple[Network, ...]:
    if body.allowed_cidrs is not UNSET:
        return errors.networks(body.allowed_cidrs)
    return caller.key.allowed if caller.key else ()


def _expiry(body: NewKey, now: datetime, caller: Caller, errors: Errors) -> datetime | None:
    if body.expires_at is None:
        return _expiry_in_days(body, now, caller)
    if body.expires_in_days is not UNSET:
        errors.add("expires_at", "Send expires_at or expires_in_days, not both.")
    else:
        return errors.moment_ahead(body.expires_at, now)
    return None


def _expiry_in_days(body: NewKey, now: datetime, caller: Caller) -> datetime | None:
    if body.expires_in_days is None:
        return None
    if body.expires_in_days is not UNSET:
        return now + timedelta(days=body.expires_in_days)
    default = now + DEFAULT_EXPIRY
    return min(default, caller.key.expires_at) if caller.key and caller.key.expires_at else default


def _idempotency_key(request: HttpRequest, caller: Caller, errors: Errors) -> str | None:
    """Return the digest of the header and the caller's id, or None without the header.

    With the id in the digest, two callers may choose the same Idempotency-Key.
    """
    header = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if header is None:
        return None
    if not (0 < len(header) <= MOST_IDEMPOTENCY_KEY and header.isascii() and header.isprintable()):
        errors.add(
            "Idempotency-Key",
            f"The header must have 1 to {MOST_IDEMPOTENCY_KEY} printable ASCII characters.",
        )
    return hashlib.sha256(f"{caller.id}\0{header}".encode(errors="replace")).hexdigest()
