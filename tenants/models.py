from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from audit.trail.actor import Target
from config.lib.environment import Environment
from config.lib.ids import encode, uuid7
from tenants.roles import Role
from tenants.sign_in.sso.models import (  # noqa: F401  Django finds models here
    Identity,
    IdentityProvider,
    MailDomain,
)
from tenants.sign_in.tokens.models import RefreshToken, TokenFamily  # noqa: F401  Django finds models here

NAME_LENGTH = 255


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class Theme(models.TextChoices):
    SYSTEM = "system", "As the system"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class User(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField("e-mail", unique=True, max_length=254)
    name = models.CharField(max_length=NAME_LENGTH, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    theme = models.CharField(max_length=8, choices=Theme, default=Theme.SYSTEM)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("platform staff", default=False)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_is_unique_in_any_case")
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def public_id(self) -> str:
        return encode("usr", self.id)

    def as_target(self) -> Target:
        return Target(kind="user", id=self.public_id, name=self.email)


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def named_like(self, text: str) -> OrganizationQuerySet:
        """Search names and slugs, sorted by name."""
        found = self.filter(Q(name__icontains=text) | Q(slug__icontains=text)) if text else self
        return found.order_by(Lower("name"), "slug")


class Organization(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=NAME_LENGTH)
    slug = models.SlugField(unique=True, max_length=63)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        ordering = ["name", "slug"]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        return encode("org", self.id)

    def as_target(self) -> Target:
        return Target(kind="organization", id=self.public_id, name=self.name)


class MembershipQuerySet(models.QuerySet["Membership"]):
    def for_organization(self, organization: Organization) -> MembershipQuerySet:
        return self.filter(organization=organization)

    def present(self) -> MembershipQuerySet:
        """Return the memberships that have not ended, deactivated ones included."""
        return self.filter(removed_at=None)

    def active(self) -> MembershipQuerySet:
        return self.present().filter(deactivated_at=None, user__is_active=True)


class Membership(models.Model):
    """A user's place in an organization.

    Deactivating it can be undone; removing it cannot. A user who is added again gets a new
    membership, so the keys of the old one stay denied.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="memberships")
    user = models.ForeignKey(User, models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deactivated_at = models.DateTimeField(null=True, blank=True, editable=False)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "user"],
                condition=Q(removed_at=None),
                name="user_has_one_present_membership",
            ),
            models.CheckConstraint(
                condition=Q(role__in=Role.values), name="membership_role_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.organization}"

    @property
    def public_id(self) -> str:
        return encode("mem", self.id)

    def as_target(self) -> Target:
        return self.user.as_target()


class Health(models.TextChoices):
    HEALTHY = "healthy", "Healthy"
    LATE = "late", "Late"
    SILENT = "silent", "Silent"


# In heartbeat intervals. One missed heartbeat may be a restart; five are not.
LATE_AFTER = 2
SILENT_AFTER = 5


class AgentQuerySet(models.QuerySet["Agent"]):
    def for_organization(self, organization: Organization) -> AgentQuerySet:
        return self.filter(organization=organization)


class Agent(models.Model):
    """The service on one database host. Its first heartbeat or batch registers it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="agents")
    environment = models.CharField(max_length=4, choices=Environment)
    host = models.CharField(max_length=256)
    version = models.CharField(max_length=64, blank=True)
    configuration_version = models.PositiveIntegerField(null=True, blank=True)
    queue_depth = models.PositiveBigIntegerField(null=True, blank=True)
    # Not a foreign key: apikeys depends on tenants, so tenants cannot refer to its models.
    # `secret_id` tells which secret of the key the host used last, so that a rotation knows who has
    # moved.
    key_id = models.UUIDField(null=True, blank=True)
    secret_id = models.UUIDField(null=True, blank=True)
    first_seen_at = models.DateTimeField(default=timezone.now, editable=False)
    last_seen_at = models.DateTimeField()
    last_heartbeat_at = models.DateTimeField(null=True, blank=True)
    last_batch_at = models.DateTimeField(null=True, blank=True)

    objects = AgentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "environment", "host"], name="agent_host_is_unique"
            ),
            models.CheckConstraint(
                condition=Q(environment__in=Environment.values), name="agent_environment_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.host

    @property
    def public_id(self) -> str:
        return encode("agt", self.id)

    def as_target(self) -> Target:
        return Target(kind="agent", id=self.public_id, name=self.host)

    def health(self, at: datetime, interval: timedelta) -> Health:
        silence = at - self.last_seen_at
        if silence <= LATE_AFTER * interval:
            return Health.HEALTHY
        return Health.LATE if silence <= SILENT_AFTER * interval else Health.SILENT


class AgentConfiguration(models.Model):
    """Instructions for an organization's agents. Each change adds a version; the newest applies."""

    organization = models.ForeignKey(
        Organization, models.PROTECT, related_name="agent_configurations"
    )
    version = models.PositiveIntegerField()
    heartbeat_interval_seconds = models.PositiveIntegerField(default=60)
    batch_size = models.PositiveIntegerField(default=1000)
    actions = models.JSONField(default=list, help_text="Action ids to collect; empty collects all.")
    include_objects = models.JSONField(
        default=list, help_text="Patterns of database.schema.object; empty includes all."
    )
    exclude_objects = models.JSONField(
        default=list, help_text="Patterns of database.schema.object."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=320)

    class Meta:
        ordering = ["-version"]
        get_latest_by = "version"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "version"], name="agent_configuration_version_is_unique"
            ),
            models.CheckConstraint(
                condition=Q(
                    heartbeat_interval_seconds__gte=5, heartbeat_interval_seconds__lte=3600
                ),
                name="heartbeat_interval_is_5_s_to_1_h",
            ),
            models.CheckConstraint(
                condition=Q(batch_size__gte=1, batch_size__lte=10_000),
                name="batch_size_is_1_to_10000",
            ),
            models.CheckConstraint(
                condition=Q(version__gte=1), name="agent_configuration_version_starts_at_one"
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.version}"

    @property
    def heartbeat_interval(self) -> timedelta:
        return timedelta(seconds=self.heartbeat_interval_seconds)
