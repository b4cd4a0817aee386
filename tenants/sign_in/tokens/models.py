"""Sign-ins and their refresh tokens. Tokens themselves are not stored, only their ids."""

from __future__ import annotations

import hashlib
from datetime import datetime
from hmac import compare_digest

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.utils import timezone

from audit.trail.actor import Target
from config.lib.ids import encode, uuid7

USER_AGENT_LENGTH = 255


class EndReason(models.TextChoices):
    SIGNED_OUT = "signed_out", "Signed out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere", "Signed out everywhere"
    DEACTIVATED = "deactivated", "User deactivated"
    REUSED = "reused", "Refresh token reused"


def password_mark(user: AbstractBaseUser) -> str:
    """Return a digest that changes with the password, whether by a page, a command or the admin.

    It is made from the stored hash, so no code that sets a password has to revoke tokens.
    """
    return hashlib.sha256(user.password.encode()).hexdigest()


class TokenFamilyQuerySet(models.QuerySet["TokenFamily"]):
    def valid(self, at: datetime) -> TokenFamilyQuerySet:
        return self.filter(revoked_at=None, expires_at__gt=at)

    def of_person(self, user: AbstractBaseUser, at: datetime) -> TokenFamilyQuerySet:
        """Return the valid sign-ins of an active user."""
        return self.valid(at).filter(user_id=user.pk, password_mark=password_mark(user))

    def with_refreshes(self) -> TokenFamilyQuerySet:
        """Annotate with `refreshed_at`: when a refresh token was last used, or None."""
        return self.annotate(refreshed_at=models.Max("refresh_tokens__used_at"))


class TokenFamily(models.Model):
    """One sign-in with a password, and all tokens issued from it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey("tenants.User", models.CASCADE, related_name="token_families")
    password_mark = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoke_reason = models.CharField(max_length=24, choices=EndReason, blank=True, editable=False)

    objects = TokenFamilyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "token families"
        indexes = [models.Index(fields=["expires_at"], name="token_family_by_expiry")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(revoked_at=None, revoke_reason="")
                | models.Q(revoked_at__isnull=False, revoke_reason__in=EndReason.values),
                name="token_family_is_revoked_with_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return encode("fam", self.id)

    @property
    def client(self) -> str:
        """Return the program's name: its user agent."""
        return self.user_agent or "Unknown program"

    def is_valid(self, at: datetime) -> bool:
        """Return whether tokens of this sign-in are valid."""
        is_open = self.revoked_at is None and self.expires_at > at
        # Read the user on every request: deactivating them or changing their password takes effect
        # without finding and revoking their tokens.
        return (
            is_open
            and self.user.is_active
            and compare_digest(self.password_mark, password_mark(self.user))
        )

    def as_target(self) -> Target:
        return Target(kind="user", id=self.user.public_id, name=self.user.email)


class RefreshToken(models.Model):
    """One refresh token. `id` is its `jti` claim."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    family = models.ForeignKey(TokenFamily, models.CASCADE, related_name="refresh_tokens")
    # One-to-one: the database allows a token only one successor, even if the code has a race.
    replaces = models.OneToOneField(
        "self", models.CASCADE, null=True, blank=True, related_name="successor"
    )
    used_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return encode("tok", self.id)
