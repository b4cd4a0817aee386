from django.db import models
from django.db.models import Q

from audit.trail import actions
from config.lib.ids import uuid7


class TrailHead(models.Model):
    """The end of one organization's chain. Locked while an entry is added; never deleted.

    The nil UUID is the chain of the installation itself (platform staff, users).
    """

    organization_id = models.UUIDField(primary_key=True)
    sequence = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.organization_id} at {self.sequence}"


class TrailEntry(models.Model):
    """One recorded action.

    `body` holds the exact bytes that were hashed. The other columns repeat its values for filters.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization_id = models.UUIDField()
    sequence = models.PositiveBigIntegerField()
    occurred_at = models.DateTimeField()
    action = models.CharField(max_length=64, choices=actions.choices)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(max_length=320)
    target_kind = models.CharField(max_length=32)
    target_id = models.CharField(max_length=64)
    target_name = models.CharField(max_length=320)
    body = models.TextField()
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "trail entries"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "sequence"], name="trail_sequence_is_unique"
            ),
            models.CheckConstraint(
                condition=Q(sequence__gte=1), name="trail_sequence_starts_at_one"
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization_id", "target_id", "-sequence"], name="trail_by_target"
            ),
            models.Index(fields=["organization_id", "action", "-sequence"], name="trail_by_action"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_id}"
