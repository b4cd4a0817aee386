"""The stored half of a secret, and the states that it goes through."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from config.lib.ids import encode, uuid7


class SecretState(models.TextChoices):
    PENDING = "pending", "Pending"
    LIVE = "live", "Live"
    RETIRING = "retiring", "Works until"
    RETIRED = "retired", "Retired"
    LAPSED = "lapsed", "Lapsed"


# A secret that a rotation with grace made, until its first use.
_WAITS = Q(retired_at=None, activated_at=None, lapses_at__isnull=False)
_IS_LIVE = Q(retired_at=None) & (Q(lapses_at=None) | Q(activated_at__isnull=False))


class SecretQuerySet(models.QuerySet["Secret"]):
    def pending(self) -> SecretQuerySet:
        return self.filter(_WAITS)

    def live(self) -> SecretQuerySet:
        """The secret of each key that has no end and is not pending."""
        return self.filter(_IS_LIVE)

    def usable(self, at: datetime) -> SecretQuerySet:
        """Secrets that verification accepts, whatever the state of their keys."""
        return self.filter(Q(retired_at=None) | Q(retired_at__gt=at))


class Secret(models.Model):
    """The stored half of a secret: how to find it and how to prove it, never the secret itself."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.ForeignKey("apikeys.Key", models.PROTECT, related_name="secrets")
    lookup = models.BigIntegerField(
        unique=True, help_text="8 bytes of a keyed hash: finds the row, proves nothing."
    )
    proof = models.CharField(max_length=256)
    pepper_version = models.PositiveSmallIntegerField()
    mask = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    retired_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on it is refused; the clock decides."
    )
    # The next four are for secrets made by a rotation with grace. Until `activated_at` such a
    # secret is pending, and the old one has no end.
    lapses_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="A pending secret ends then if unused."
    )
    activated_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The first use of a pending secret."
    )
    grace_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="How long the old secret works after the first use of this one.",
    )
    ends_with_last_host = models.BooleanField(
        default=False,
        editable=False,
        help_text="End the old secret as soon as every known host has moved to this one.",
    )
    # Submitting one form again must not make a second secret.
    idempotency_key = models.CharField(max_length=64, null=True, blank=True, editable=False)

    objects = SecretQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two concurrent rotations would otherwise both insert a secret that never retires.
            models.UniqueConstraint(
                fields=["key"], condition=_IS_LIVE, name="key_has_one_live_secret"
            ),
            models.UniqueConstraint(
                fields=["key"], condition=_WAITS, name="key_has_one_pending_secret"
            ),
            models.UniqueConstraint(
                fields=["key", "idempotency_key"], name="one_form_makes_one_secret"
            ),
            models.CheckConstraint(
                condition=Q(lapses_at=None, grace_seconds=None, activated_at=None)
                | Q(lapses_at__isnull=False, grace_seconds__isnull=False),
                name="pending_secret_has_a_grace_and_lapses",
            ),
            # Catches a plaintext or a fast hash written to `proof` by mistake.
            models.CheckConstraint(
                condition=Q(proof__startswith="$argon2id$"), name="proof_is_argon2id"
            ),
        ]
        indexes = [
            # Finds the rotations in progress among the secrets of all keys.
            models.Index(
                fields=["retired_at"],
                condition=Q(retired_at__isnull=False),
                name="secrets_that_end",
            )
        ]

    def __str__(self) -> str:
        return self.mask

    @property
    def public_id(self) -> str:
        return encode("sec", self.id)

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.grace_seconds or 0)

    @property
    def has_taken_effect(self) -> bool:
        """Whether the secret has ever been the live one."""
        return self.lapses_at is None or self.activated_at is not None

    def state(self, at: datetime) -> SecretState:
        if self.retired_at is None:
            return SecretState.LIVE if self.has_taken_effect else SecretState.PENDING
        if self.retired_at > at:
            return SecretState.RETIRING
        if not self.has_taken_effect and self.lapses_at and self.retired_at >= self.lapses_at:
            return SecretState.LAPSED
        return SecretState.RETIRED
