"""What stands behind user tokens. The tokens themselves are not stored: their ids are."""

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
    """A mark that changes with the password, whichever way it is changed: page, command, admin."""
    return hashlib.sha256(user.password.encode()).hexdigest()


class TokenFamilyQuerySet(models.QuerySet["TokenFamily"]):
    def standing(self, at: datetime) -> TokenFamilyQuerySet:
        return self.filter(revoked_at=None, expires_at__gt=at)

    def of_person(self, user: AbstractBaseUser, at: datetime) -> TokenFamilyQuerySet:
        """The sign-ins of an active user whose tokens stand."""
        return self.standing(at).filter(user_id=user.pk, password_mark=password_mark(user))

    def with_refreshes(self) -> TokenFamilyQuerySet:
        """`refreshed_at` is when the last refresh token was used; None where none was."""
        return self.annotate(refreshed_at=models.Max("refresh_tokens__used_at"))


class TokenFamily(models.Model):
    """One sign-in with a password, and all tokens that come of it."""

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
        """What the program called itself."""
        return self.user_agent or "Unknown program"

    def stands(self, at: datetime) -> bool:
        """Whether its tokens still stand for its user."""
        is_itself_good = self.revoked_at is None and self.expires_at > at
        return (
            is_itself_good
            and self.user.is_active
            and compare_digest(self.password_mark, password_mark(self.user))
        )

    def as_target(self) -> Target:
        return Target(kind="user", id=self.user.public_id, name=self.user.email)


class RefreshToken(models.Model):
    """One refresh token, by the id that it carries as `jti`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    family = models.ForeignKey(TokenFamily, models.CASCADE, related_name="refresh_tokens")
    # The database keeps that a token has one successor, whatever the code above it does.
    replaces = models.OneToOneField(
        "self", models.CASCADE, null=True, blank=True, related_name="successor"
    )
    used_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return encode("tok", self.id)
