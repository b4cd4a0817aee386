"""The offer of a key to another owner, from the offer until the old key has ended.

No key changes its owner: the receiver gets a new key with the same scopes, networks and end.
"""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from config.lib.ids import encode, uuid7
from tenants.models import Membership, Organization, User

# An offer that was not accepted by then has lapsed.
OFFER_LASTS = timedelta(days=7)


class HandOverQuerySet(models.QuerySet["HandOver"]):
    def waiting(self, at: datetime) -> "HandOverQuerySet":
        """Offers that the receiver can still accept."""
        return self.filter(accepted_at=None, ended_at=None, offered_at__gt=at - OFFER_LASTS)

    def lapsed(self, at: datetime) -> "HandOverQuerySet":
        return self.filter(accepted_at=None, ended_at=None, offered_at__lte=at - OFFER_LASTS)

    def offered_to(self, user: User) -> "HandOverQuerySet":
        return self.filter(receiver__in=Membership.objects.active().filter(user=user))

    def accepted(self) -> "HandOverQuerySet":
        """Hand-overs whose old key has not ended yet."""
        return self.filter(accepted_at__isnull=False, ended_at=None)


class HandOver(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.ForeignKey("apikeys.Key", models.PROTECT, related_name="hand_overs")
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")
    # Null: the organization itself.
    receiver = models.ForeignKey(
        Membership, models.PROTECT, null=True, blank=True, related_name="+"
    )
    # How long the old key works beside the new one, at most.
    overlap = models.DurationField()
    offered_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    offered_at = models.DateTimeField(default=timezone.now, editable=False)
    accepted_at = models.DateTimeField(null=True, blank=True)
    replacement = models.OneToOneField(
        "apikeys.Key", models.PROTECT, null=True, blank=True, related_name="replaces"
    )
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = HandOverQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(ended_at=None), name="key_has_one_hand_over_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(replacement=None) | Q(accepted_at__isnull=False),
                name="replacement_was_accepted",
            ),
            models.CheckConstraint(
                condition=Q(replacement=None) | ~Q(replacement=F("key")),
                name="key_does_not_replace_itself",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} to {self.receiver_name}"

    @property
    def public_id(self) -> str:
        return encode("hov", self.id)

    @property
    def receiver_name(self) -> str:
        return self.receiver.user.email if self.receiver else self.organization.name

    @property
    def lapses_at(self) -> datetime:
        return self.offered_at + OFFER_LASTS
