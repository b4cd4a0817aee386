from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from apikeys import networks
from apikeys.authority import Authority
from apikeys.hand_over import HandOver
from apikeys.kind import Kind
from apikeys.networks import Network
from apikeys.notices.models import (
    Delivery,
    KnownOrigin,
    Notice,
    OrganizationNotifications,
    PersonNotifications,
    Webhook,
)
from apikeys.rules import KeyFacts
from apikeys.rules.approval import KeyRequest
from apikeys.rules.models import KeyRules
from apikeys.scopes import agent_scopes, canonical_all
from apikeys.stored_secret import Secret
from apikeys.usage.models import (
    RetiredUse,
    SpoolSegment,
    UnprovenCount,
    UsageGap,
    Use,
    UseCount,
)
from apikeys.usage.spool.lines import MOST_USER_AGENT
from audit.trail.actor import Target
from config.lib.environment import Environment
from config.lib.ids import encode, uuid7
from tenants.models import Membership, Organization, User
from tenants.roles import Permission, permits

__all__ = [
    "Delivery",
    "HandOver",
    "Key",
    "KeyQuerySet",
    "KeyRequest",
    "KeyRules",
    "KnownOrigin",
    "Notice",
    "OrganizationNotifications",
    "PersonNotifications",
    "RetiredUse",
    "Secret",
    "SpoolSegment",
    "Status",
    "UnprovenCount",
    "UsageGap",
    "Use",
    "UseCount",
    "Webhook",
]

EXPIRING_WITHIN = timedelta(days=14)
# The owner may act, as verification reads it. A key without an owner is the organization's.
ACTIVE_OWNER = Q(owner=None) | Q(
    owner__user__is_active=True, owner__deactivated_at=None, owner__removed_at=None
)


class Status(models.TextChoices):
    ACTIVE = "active", "Active"
    EXPIRING = "expiring", "Expiring"
    PAUSED = "paused", "Paused"
    INACTIVE = "inactive", "Owner inactive"
    EXPIRED = "expired", "Expired"
    REVOKED = "revoked", "Revoked"


class KeyQuerySet(models.QuerySet["Key"]):
    def for_organization(self, organization: Organization) -> KeyQuerySet:
        return self.filter(organization=organization)

    def for_owner(self, user: User) -> KeyQuerySet:
        """Every public key of this user, in all organizations and past memberships."""
        return self.filter(kind=Kind.PUBLIC, owner__user=user)

    def of_kind(self, kind: Kind) -> KeyQuerySet:
        return self.filter(kind=kind)

    def of_organization(self) -> KeyQuerySet:
        """Public keys that belong to an organization and not to a member."""
        return self.filter(kind=Kind.PUBLIC, owner=None)

    def usable(self, at: datetime) -> KeyQuerySet:
        """Keys that are not revoked, paused or expired.

        Ignores the owner's and organization's state.
        """
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=at), revoked_at=None, paused_at=None
        )

    def soonest_expiry_first(self) -> KeyQuerySet:
        return self.order_by(F("expires_at").asc(nulls_last=True), "name", "pk")


class Key(models.Model):
    """A named permission to call the API.

    Never deleted: usage and the trail refer to its id, which stays the same when its secret is
    rotated.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="keys")
    kind = models.CharField(max_length=8, choices=Kind)
    environment = models.CharField(max_length=4, choices=Environment, default=Environment.LIVE)
    # Null: the key belongs to the organization. It survives the person who issued it.
    owner = models.ForeignKey(
        Membership, models.PROTECT, null=True, blank=True, related_name="keys"
    )
    name = models.CharField("label", max_length=255)
    description = models.CharField(max_length=500, blank=True)
    held_by = models.CharField(
        max_length=255, blank=True, help_text="The team, system or place where it is stored."
    )
    scopes = models.JSONField(default=list, blank=True)
    allowed_cidrs = models.JSONField(
        default=list, blank=True, help_text="Networks it may be used from; empty: anywhere."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="issued_keys", editable=False
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoke_reason = models.CharField(max_length=255, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_ip = models.GenericIPAddressField(null=True, blank=True)
    last_used_user_agent = models.CharField(max_length=MOST_USER_AGENT, null=True, blank=True)
    # Submitting one form or request again must not issue a second key. `request_digest` is a digest
    # of the request's body, so that a reused key with another body is refused and not replayed.
    idempotency_key = models.CharField(max_length=64, null=True, blank=True, editable=False)
    request_digest = models.CharField(max_length=64, null=True, blank=True, editable=False)

    objects = KeyQuerySet.as_manager()

    class Meta:
        # The database keeps these too, so that a bug in a service or a manual UPDATE cannot create
        # a key that the services would never issue. apikeys.guards has the rules that need
        # triggers.
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="key_kind_is_known"),
            models.CheckConstraint(
                condition=Q(environment__in=Environment.values), name="key_environment_is_known"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="key_has_a_name"),
            models.CheckConstraint(
                condition=~Q(kind=Kind.AGENT) | Q(owner=None, scopes=[]),
                name="agent_key_has_no_owner_and_no_chosen_scopes",
            ),
            models.CheckConstraint(
                condition=~Q(kind=Kind.PUBLIC) | ~Q(scopes=[]), name="public_key_has_scopes"
            ),
            models.CheckConstraint(
                condition=Q(expires_at=None) | Q(expires_at__gt=F("created_at")),
                name="key_expires_after_issue",
            ),
            # Decides the race between two copies of one request. The column alone, not per person:
            # a key that an organization key issued has no `created_by`, and NULLs never collide.
            # One client cannot block another's, because the value is a digest that includes the
            # caller, or a nonce that Keyway made.
            models.UniqueConstraint(fields=["idempotency_key"], name="one_request_issues_one_key"),
        ]
        indexes = [
            models.Index(
                fields=["organization", "kind", "revoked_at"], name="keys_of_organization"
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(revoked_at=None, expires_at__isnull=False),
                name="keys_by_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        return encode("key", self.id)

    @property
    def is_organization_key(self) -> bool:
        """Whether this is a public key of the organization and not of a member."""
        return self.kind == Kind.PUBLIC and self.owner_id is None

    @property
    def owner_name(self) -> str:
        return str(self.owner.user) if self.owner else self.organization.name

    @property
    def granted_scopes(self) -> frozenset[str]:
        """The canonical names of the scopes the key was issued with.

        Verification intersects them with its owner's role.
        """
        return agent_scopes() if self.kind == Kind.AGENT else canonical_all(self.scopes)

    @property
    def scopes_as_asked(self) -> list[str]:
        """The same scopes in the spelling they were asked for, for answers and the trail only."""
        return sorted(agent_scopes() if self.kind == Kind.AGENT else self.scopes)

    @property
    def networks(self) -> tuple[Network, ...]:
        return networks.parse(self.allowed_cidrs)

    @property
    def authority(self) -> Authority:
        return Authority.of_key(
            self.granted_scopes, self.environment, self.expires_at, self.networks
        )

    @property
    def live_secret(self) -> Secret | None:
        """The newest secret that took effect. A pending one may never reach its caller."""
        secrets = (secret for secret in self.secrets.all() if secret.has_taken_effect)
        return max(secrets, key=_created_at, default=None)

    @property
    def mask(self) -> str:
        return self.live_secret.mask if self.live_secret else ""

    @property
    def rotated_at(self) -> datetime | None:
        """When the newest secret was made, unless it is the first. Skips those that lapsed."""
        made = [
            secret
            for secret in self.secrets.all()
            if secret.has_taken_effect or secret.retired_at is None
        ]
        return max(made, key=_created_at).created_at if len(made) > 1 else None

    def usable_secrets(self, at: datetime) -> list[Secret]:
        """The secrets that are pending, live or retiring, newest first."""
        usable = (s for s in self.secrets.all() if s.retired_at is None or s.retired_at > at)
        return sorted(usable, key=_created_at, reverse=True)

    def old_secret_ends_at(self, at: datetime) -> datetime | None:
        """When the secret that is being rotated out ends, if that is known and still to come."""
        ends = (secret.retired_at for secret in self.usable_secrets(at) if secret.retired_at)
        return max(ends, default=None)

    @property
    def secret_at(self) -> datetime:
        """When the secret that is live was made. A pending one has replaced nothing yet."""
        live = self.live_secret
        return live.created_at if live else self.created_at

    @property
    def facts(self) -> KeyFacts:
        """What the key rules look at."""
        is_admins = self.owner and permits(self.owner.role, Permission.ISSUE_ORGANIZATION_KEYS)
        return KeyFacts(
            environment=self.environment,
            created_at=self.created_at,
            expires_at=self.expires_at,
            allowed=self.networks,
            is_of_member=bool(self.owner and not is_admins),
        )

    def status(self, at: datetime) -> Status:
        if self.revoked_at:
            return Status.REVOKED
        if self.expires_at and self.expires_at <= at:
            return Status.EXPIRED
        if self.owner and not (
            self.owner.user.is_active
            and not self.owner.deactivated_at
            and not self.owner.removed_at
        ):
            return Status.INACTIVE
        if self.paused_at:
            return Status.PAUSED
        return (
            Status.EXPIRING
            if self.expires_at and self.expires_at <= at + EXPIRING_WITHIN
            else Status.ACTIVE
        )

    def as_target(self) -> Target:
        return Target(kind="key", id=self.public_id, name=self.name)


def _created_at(secret: Secret) -> datetime:
    return secret.created_at
