"""The only code that decides whether a key is valid, and what it may do right now. Writes nothing.

The order is format, tag, row, proof, state. Everything that fails before the proof is
`invalid_key`, so only a caller who holds the secret learns anything about its key.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError

from apikeys import conf, networks, scopes
from apikeys.authority import Authority
from apikeys.kind import Kind
from apikeys.networks import Network
from apikeys.verify import hashing, secret, secret_rows
from apikeys.verify.denials import Denial, Presented, Reason
from apikeys.verify.secret_rows import OrganizationRow, SecretRow
from audit.trail.actor import Actor
from config.lib.ids import encode
from tenants.changes.leases import Leases, register

logger = logging.getLogger(__name__)


class Subject(StrEnum):
    """What a credential stands for, as the trail and the limits name it."""

    KEY = "key"
    APPLICATION = "application"
    USER = "user"


_PREFIX = {Subject.KEY: "key", Subject.APPLICATION: "app", Subject.USER: "usr"}


@dataclass(frozen=True, slots=True)
class Credential:
    """What a verified secret, access token or user token resolves to.

    A key has a `key_id`; an access token belongs to an application and has an `application_id`. A
    user token has neither: it is its owner, who signed in.
    `scopes` are the granted scopes that the owner's role still holds. `allowed` lists the networks
    it may be used from; empty means anywhere. `retires_at` is when a secret that is being rotated
    out ends.
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
        """What this credential may hand on to keys that it issues."""
        # The earlier end. Otherwise the old secret of a key in rotation could issue a key that
        # outlives it, which would undo the rotation for a thief who holds that secret.
        ends = [end for end in (self.expires_at, self.retires_at) if end]
        return Authority.of_key(
            self.scopes, self.environment, min(ends, default=None), self.allowed
        )

    @property
    def subject(self) -> Subject:
        """What the credential stands for."""
        if self.key_id:
            return Subject.KEY
        return Subject.APPLICATION if self.application_id else Subject.USER

    @property
    def public_id(self) -> str:
        return encode(_PREFIX[self.subject], self.id)

    @property
    def id(self) -> uuid.UUID:
        """The id of the key, the application or the user."""
        one = self.key_id or self.application_id or self.owner_id
        assert one is not None  # noqa: S101  every credential is one of the three
        return one

    @property
    def is_organization_key(self) -> bool:
        return self.key_id is not None and self.kind is Kind.PUBLIC and self.owner_id is None

    @property
    def presented(self) -> Presented | None:
        """The key and secret to record the use for. None for a token."""
        if self.key_id is None or self.secret_id is None:
            return None
        return Presented(self.key_id, self.secret_id, self.organization.id)

    @property
    def is_token(self) -> bool:
        return self.key_id is None

    @property
    def noun(self) -> str:
        return "token" if self.is_token else "key"

    def actor(self, address: str = "") -> Actor:
        return Actor(kind=self.subject, id=self.public_id, name=self.name, address=address)


class _Known(NamedTuple):
    """What a lease holds: a secret's row, and the credential it resolves to unless denied."""

    row: SecretRow
    credential: Credential


def _read_known(lookups: Sequence[int]) -> dict[int, _Known]:
    rows = secret_rows.read(lookups)
    return {lookup: _Known(row, _credential(row)) for lookup, row in rows.items()}


# Registered, so that this process drops its leases as soon as a change takes power away.
_leases: Leases[int, _Known] = register(Leases(_read_known))


def verify(presented: str, *, now: datetime, address: str = "") -> Credential | Denial:
    """Resolve a secret that was presented from `address`.

    A fault of ours is `unavailable`. It is never reported as a fault of the key.
    """
    # Format and tag before everything else: they need no database and no Argon2. After the look-up,
    # a flood of random strings would cost a query each.
    plaintext = secret.parse(presented)
    tagged = secret.check_tag(plaintext, conf.peppers()) if plaintext else None
    if tagged is None:
        # The same reason as for an unknown secret or a wrong proof. A reason for each would tell an
        # attacker how far a guess got.
        return Denial(Reason.INVALID_KEY)
    try:
        known = _leases.get(tagged.lookup)
        # Row before proof, so that a secret without a row never starts Argon2.
        # Proof before state, because the lookup only finds a row. If the state came first, a caller
        # without the secret would learn that a key exists and is revoked, expired or paused.
        if known is None or not hashing.holds(tagged.plaintext.reveal(), known.row.proof):
            return Denial(Reason.INVALID_KEY)
    except hashing.PoolFull:
        # Not INVALID_KEY: clients drop a key that is called invalid, and this one may be good.
        return Denial(Reason.UNAVAILABLE)
    except (DatabaseError, InterfaceError) as error:
        # Fail closed, as 503: accepting would ignore a revocation that could not be read.
        logger.error("Verification could not read the database: %s", error)
        return Denial(Reason.UNAVAILABLE)
    # At every request and never inside the lease: a lease holds the row, and the clock and the
    # caller's address are those of this request.
    reason = _reason_to_deny(known.row, now, address)
    # A denial names the key, since the proof held. Its owner sees the attempt in the key's usage.
    return Denial(reason, presented=known.credential.presented) if reason else known.credential


def authorize(
    credential: Credential,
    *,
    kind: Kind | None = None,
    environment: str | None = None,
    scope: str | None = None,
    organization: str | None = None,
) -> Denial | None:
    """Check what a call demands of a credential beyond its being valid.

    `organization` is the one that the caller names, as ``org_…`` or slug.
    """
    # First, because the details below describe the key, and a key of another organization should be
    # refused for that alone. `is not None`, not truth: an empty demand is a wrong one, not none.
    if organization is not None and organization not in (
        credential.organization.public_id,
        credential.organization.slug,
    ):
        detail = f"The {credential.noun} does not belong to the requested organization."
        return Denial(Reason.WRONG_ORGANIZATION, detail, bearer=credential.is_token)
    if kind is not None and credential.kind != kind:
        return Denial(
            Reason.WRONG_KEY_TYPE,
            f"This call takes {_A_KEY[kind]}; this is {_described(credential)}.",
        )
    if environment is not None and credential.environment != environment:
        return Denial(
            Reason.WRONG_ENVIRONMENT,
            f"This call takes {environment} {credential.noun}s; "
            f"this is a {credential.environment} {credential.noun}.",
        )
    # Against the scopes of the credential, from which the row has already taken what the owner's
    # role no longer holds.
    if scope is not None and not scopes.include(credential.scopes, scope):
        return Denial(
            Reason.INSUFFICIENT_SCOPE,
            f"This call needs the scope {scope}, which this {credential.noun} does not have.",
            bearer=credential.is_token,
        )
    return None


_A_KEY = {Kind.AGENT: "an agent key", Kind.PUBLIC: "a public key"}
_A_TOKEN = {Subject.APPLICATION: "an application's token", Subject.USER: "a user token"}


def _described(credential: Credential) -> str:
    return _A_TOKEN.get(credential.subject) or _A_KEY[credential.kind]


def _reason_to_deny(row: SecretRow, now: datetime, address: str) -> Reason | None:
    """Return the first reason to deny a key whose secret was proved, or None."""
    # The key's own state first. "Revoked" is final and comes before any cause that can
    # still be fixed, such as the owner's account or the network.
    if reason := _state(row, now):
        return reason
    if not row.owner_is_active:
        return Reason.OWNER_INACTIVE
    if row.organization.suspended_at:
        return Reason.ORGANIZATION_SUSPENDED
    # Last: throttling does not remember a secret that is refused for its address alone, because the
    # same secret may be good from elsewhere. A revoked key must not get that exemption.
    if row.allowed and not networks.allow(row.allowed, address):
        return Reason.IP_NOT_ALLOWED
    return None


def _state(row: SecretRow, now: datetime) -> Reason | None:
    # Revoked before all else, so that a revoked key says so for good, whatever else is true of it.
    if row.revoked_at:
        return Reason.REVOKED_KEY
    # `<=`: the end itself is over. The clock decides at the moment of use, to the microsecond. No
    # clean-up job has to run for a key to expire.
    if row.retired_at and row.retired_at <= now:
        return Reason.ROTATED_KEY
    if row.expires_at and row.expires_at <= now:
        return Reason.EXPIRED_KEY
    return Reason.PAUSED_KEY if row.paused_at else None


def _credential(row: SecretRow) -> Credential:
    return Credential(
        key_id=row.key_id,
        secret_id=row.secret_id,
        name=row.name,
        kind=row.kind,
        environment=row.environment,
        scopes=row.scopes,
        organization=row.organization,
        owner_id=row.owner_id,
        owner_email=row.owner_email,
        expires_at=row.expires_at,
        allowed=row.allowed,
        retires_at=row.retired_at,
    )
