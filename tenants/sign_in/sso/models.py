from __future__ import annotations

import secrets
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from audit.trail.actor import Target
from config.lib.ids import encode, uuid7

DOMAIN_LENGTH = 253
SUBJECT_LENGTH = 255


def _token() -> str:
    return secrets.token_urlsafe(24)


class MailDomain(models.Model):
    """A mail domain that an organization claims. It counts from `proven_at` on."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, related_name="mail_domains"
    )
    domain = models.CharField(max_length=DOMAIN_LENGTH)
    token = models.CharField(max_length=64, default=_token, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    proven_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["domain"],
                condition=Q(proven_at__isnull=False),
                name="proven_mail_domain_belongs_to_one_organization",
            ),
            models.UniqueConstraint(
                fields=["organization", "domain"], name="mail_domain_is_claimed_once"
            ),
        ]

    def __str__(self) -> str:
        return self.domain

    @property
    def public_id(self) -> str:
        return encode("dom", self.id)

    @property
    def record_name(self) -> str:
        return f"_keyway.{self.domain}"

    @property
    def record_value(self) -> str:
        return f"keyway-domain={self.token}"

    def as_target(self) -> Target:
        return Target(kind="mail_domain", id=self.public_id, name=self.domain)


class IdentityProvider(models.Model):
    """An organization's OpenID Connect provider, and Keyway's client there."""

    organization = models.OneToOneField(
        "tenants.Organization", models.PROTECT, related_name="identity_provider"
    )
    issuer = models.CharField(max_length=500)
    client_id = models.CharField(max_length=255)
    sealed_secret = models.BinaryField()
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.issuer


class Identity(models.Model):
    """The link between a member and their account at the provider."""

    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    user = models.ForeignKey("tenants.User", models.CASCADE, related_name="+")
    subject = models.CharField(max_length=SUBJECT_LENGTH)
    created_at: models.DateTimeField[datetime, datetime] = models.DateTimeField(
        default=timezone.now, editable=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "subject"], name="subject_signs_in_one_user"
            ),
            models.UniqueConstraint(
                fields=["organization", "user"], name="user_has_one_subject_in_an_organization"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.organization}"
