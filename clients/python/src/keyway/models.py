"""Credentials, keys and usage as Keyway returns them. Times are time-zone aware."""

from dataclasses import dataclass
from datetime import date, datetime

from keyway.errors import SecretNotShown
from keyway.secret import Secret


@dataclass(frozen=True, slots=True)
class Organization:
    id: str
    name: str
    slug: str


@dataclass(frozen=True, slots=True)
class Owner:
    id: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate limit: of `quota` requests per `window_seconds`, `remaining` are left."""

    limit: str
    quota: int
    window_seconds: int
    remaining: int
    resets_in_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Whoami:
    """The presented credential. `key_id` is set for a key, `application_id` for an access token."""

    organization: Organization | None
    scopes: tuple[str, ...]
    owner: Owner | None = None
    key_id: str | None = None
    application_id: str | None = None
    name: str | None = None
    kind: str | None = None
    environment: str | None = None
    expires_at: datetime | None = None
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySecret:
    """One of a key's secrets that work. Two while a rotation is in progress.

    `state` is pending (not used yet; ends at `lapses_at` if it stays so), live, or retiring (ends
    at `expires_at`).
    """

    id: str
    mask: str
    state: str
    created_at: datetime
    activated_at: datetime | None = None
    expires_at: datetime | None = None
    lapses_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostProgress:
    """The hosts of an agent key during a rotation, at most 100 names of each."""

    moved_count: int
    remaining_count: int
    moved: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key without its secret.

    `status` is active, expiring, paused, inactive, expired or revoked. `old_key_expires_at` is when
    the secret that is being rotated out stops working, or None while that is unknown. `hosts` is
    set by `keys.get` for an agent key in rotation.
    """

    id: str
    name: str
    description: str = ""
    kind: str
    environment: str
    organization_id: str
    owner: Owner | None = None
    scopes: tuple[str, ...]
    allowed_cidrs: tuple[str, ...] = ()
    status: str
    mask: str = ""
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_ip: str | None = None
    rotated_at: datetime | None = None
    secrets: tuple[KeySecret, ...] = ()
    old_key_expires_at: datetime | None = None
    hosts: HostProgress | None = None
    paused_at: datetime | None = None
    revoked_at: datetime | None = None
    revoke_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedKey(Key):
    """Every request that starts after `effective_at` sees the change."""

    effective_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey(Key):
    """A newly issued key. `key` is its secret, which Keyway shows only once.

    `key` is None if an earlier attempt of this call issued the key and its answer was lost.
    """

    key: Secret | None = None

    @property
    def secret(self) -> Secret:
        """The key's secret. Raises SecretNotShown if this answer does not contain it."""
        if self.key is None:
            raise SecretNotShown(
                f"{self.id} was issued, but the answer with its secret was lost. Rotate the key."
            )
        return self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class RotatedKey(IssuedKey):
    """A rotated key. With a grace, its new secret is pending until `lapses_at`.

    `old_key_expires_at` and `effective_at` are then None, because the grace begins with the first
    use of the new secret.
    """

    effective_at: datetime | None = None
    lapses_at: datetime | None = None

    @property
    def is_pending(self) -> bool:
        return self.lapses_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Receipt of a revocation: no request that starts after `effective_at` is accepted."""

    id: str
    revoked_at: datetime
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """`error_rate` is in percent."""

    total_requests: int
    requests_24h: int
    requests_7d: int
    requests_30d: int
    error_count: int
    error_rate: float


@dataclass(frozen=True, slots=True)
class EndpointUsage:
    endpoint: str
    count: int


@dataclass(frozen=True, slots=True)
class DayUsage:
    date: date
    requests: int
    error_count: int


@dataclass(frozen=True, slots=True)
class DenialUsage:
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class SecretUsage:
    """`state` is pending, live, retiring, retired or lapsed."""

    mask: str
    created_at: datetime
    retired_at: datetime | None
    total_requests: int
    requests_24h: int
    state: str = "live"
    activated_at: datetime | None = None
    lapses_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A period in which some requests were not recorded."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A key's usage statistics. Days are in UTC, newest first."""

    key_id: str
    key_name: str
    usage: Figures
    last_used: datetime | None = None
    top_endpoints: tuple[EndpointUsage, ...] = ()
    daily_usage: tuple[DayUsage, ...] = ()
    denials: tuple[DenialUsage, ...] = ()
    secrets: tuple[SecretUsage, ...] = ()
    incomplete: tuple[Gap, ...] = ()
