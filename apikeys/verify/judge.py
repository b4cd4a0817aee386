"""The only judge: whose key is this, what may it do, right now? Writes nothing.

The order is shape, tag, row, proof, state. Whatever fails before the proof is `invalid_key`, so that
only somebody who holds a secret learns anything of it.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError

from apikeys import conf, networks, scopes
from apikeys.authority import Authority
from apikeys.kind import Kind
from apikeys.networks import Network
from apikeys.verify import hashing, secret
from apikeys.verify.denials import Denial, Presented, Reason
from apikeys.verify.secret_rows import OrganizationRow, SecretRow, read
from audit.trail.actor import Actor
from config.lib.ids import encode
from tenants.changes.leases import Leases, register

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a verified secret or access token resolves to. A token is an application's and no key: it has no `key_id`.

    `scopes` are those given that the owner's role still holds; `allowed` is where it may be used from, empty: anywhere.
    `retires_at` is when this secret of the key ends, for one that is being rotated out.
    """

    key_id: uuid.UUID | None
    secret_id: uuid.UUID | None
    name: str
    kind: Kind
    environment: str
    scopes: frozenset[str]
    organization: OrganizationRow
    owner_id: uuid.UUID | None
    owner_email: str | None
    expires_at: datetime | None
    application_id: uuid.UUID | None = None
    allowed: tuple[Network, ...] = ()
    retires_at: datetime | None = None

    @property
    def authority(self) -> Authority:
        """A secret that is being rotated out hands on nothing that outlasts it, least of all the key itself."""
        ends = [end for end in (self.expires_at, self.retires_at) if end]
        return Authority.of_key(
            self.scopes, self.environment, min(ends, default=None), self.allowed
        )

    @property
    def public_id(self) -> str:
        return encode("app" if self.is_token else "key", self.id)

    @property
    def id(self) -> uuid.UUID:
        """The key's, or the application's."""
        one = self.key_id or self.application_id
        assert one is not None  # noqa: S101  every credential is one of the two
        return one

    @property
    def presented(self) -> Presented | None:
        """The key whose use this is."""
        if self.key_id is None or self.secret_id is None:
            return None
        return Presented(self.key_id, self.secret_id, self.organization.id)

    @property
    def is_token(self) -> bool:
        return self.application_id is not None

    @property
    def noun(self) -> str:
        return "token" if self.is_token else "key"

    def actor(self, address: str = "") -> Actor:
        return Actor(
            kind="application" if self.is_token else "key",
            id=self.public_id,
            name=self.name,
            address=address,
        )


class _Known(NamedTuple):
    """What is leased of a secret: what the database says, and what it resolves to while nothing stands against it."""

    facts: SecretRow
    credential: Credential


def _read(lookups: Sequence[int]) -> dict[int, _Known]:
    return {lookup: _Known(facts, _credential(facts)) for lookup, facts in read(lookups).items()}


_leases: Leases[int, _Known] = register(Leases(_read))


def verify(presented: str, *, now: datetime, address: str = "") -> Credential | Denial:
    """Resolve a secret presented from `address`. A cause of our own is `unavailable`, never a refusal of the key."""
    plaintext = secret.parse(presented)
    tagged = secret.check_tag(plaintext, conf.peppers()) if plaintext else None
    if tagged is None:
        return Denial(Reason.INVALID_KEY)
    try:
        known = _leases.get(tagged.lookup)
        if known is None or not hashing.holds(tagged.plaintext.reveal(), known.facts.proof):
            return Denial(Reason.INVALID_KEY)
    except hashing.PoolFull:
        return Denial(Reason.UNAVAILABLE)
    except (DatabaseError, InterfaceError) as error:
        logger.error("Verification could not read the database: %s", error)
        return Denial(Reason.UNAVAILABLE)
    reason = _judge(known.facts, now, address)
    return Denial(reason, presented=known.credential.presented) if reason else known.credential


def authorize(
    credential: Credential,
    *,
    kind: Kind | None = None,
    environment: str | None = None,
    scope: str | None = None,
    organization: str | None = None,
) -> Denial | None:
    """Ask more of a credential. `organization` is the one the caller believes it is in, ``org_…`` or slug."""
    if organization is not None and organization not in (
        credential.organization.public_id,
        credential.organization.slug,
    ):
        return Denial(Reason.WRONG_ORGANIZATION, bearer=credential.is_token)
    if kind is not None and credential.kind != kind:
        return Denial(
            Reason.WRONG_KEY_TYPE,
            f"This call takes {_A_KEY[kind]}; this is {_A_KEY[credential.kind]}.",
        )
    if environment is not None and credential.environment != environment:
        return Denial(
            Reason.WRONG_ENVIRONMENT,
            f"This call takes {environment} keys; this is a {credential.environment} key.",
        )
    if scope is not None and not scopes.include(credential.scopes, scope):
        return Denial(
            Reason.INSUFFICIENT_SCOPE,
            f"This call needs the scope {scope}, which this {credential.noun} does not have.",
            bearer=credential.is_token,
        )
    return None


_A_KEY = {Kind.AGENT: "an agent key", Kind.PUBLIC: "a public key"}


def _judge(facts: SecretRow, now: datetime, address: str) -> Reason | None:
    """The state of a key whose secret was proved, then what surrounds it."""
    if reason := _state(facts, now):
        return reason
    if not facts.owner_is_active:
        return Reason.OWNER_INACTIVE
    if facts.organization.suspended_at:
        return Reason.ORGANIZATION_SUSPENDED
    if facts.allowed and not networks.allow(facts.allowed, address):
        return Reason.IP_NOT_ALLOWED
    return None


def _state(facts: SecretRow, now: datetime) -> Reason | None:
    """The clock decides expiry and retirement, to the microsecond."""
    if facts.revoked_at:
        return Reason.REVOKED_KEY
    if facts.retired_at and facts.retired_at <= now:
        return Reason.ROTATED_KEY
    if facts.expires_at and facts.expires_at <= now:
        return Reason.EXPIRED_KEY
    return Reason.PAUSED_KEY if facts.paused_at else None


def _credential(facts: SecretRow) -> Credential:
    return Credential(
        key_id=facts.key_id,
        secret_id=facts.secret_id,
        name=facts.name,
        kind=facts.kind,
        environment=facts.environment,
        scopes=facts.scopes,
        organization=facts.organization,
        owner_id=facts.owner_id,
        owner_email=facts.owner_email,
        expires_at=facts.expires_at,
        allowed=facts.allowed,
        retires_at=facts.retired_at,
    )
