"""Usage in the database.

Ids are stored without foreign keys, so that the line of an answered request can be stored whatever
has happened to its key since.
"""

from datetime import UTC, datetime

from django.db import models
from django.db.models import Q

from apikeys.usage.spool.lines import MOST_ROUTE, MOST_USER_AGENT

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Use(models.Model):
    """One request made with a key. Kept for KEYWAY_USAGE_RETENTION_DAYS."""

    at = models.DateTimeField()
    key_id = models.UUIDField()
    secret_id = models.UUIDField()
    organization_id = models.UUIDField()
    method = models.CharField(max_length=8)
    route = models.CharField(max_length=MOST_ROUTE)
    status = models.PositiveSmallIntegerField()
    denial = models.CharField(max_length=32, blank=True)
    address = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=MOST_USER_AGENT, blank=True)
    milliseconds = models.FloatField()

    class Meta:
        indexes = [models.Index(fields=["key_id", "at"], name="uses_of_key")]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.status}"

    @property
    def endpoint(self) -> str:
        return f"{self.method} {self.route}"


class Period(models.TextChoices):
    HOUR = "hour", "Hour"
    DAY = "day", "Day (UTC)"
    EVER = "ever", "All time"


class UseCount(models.Model):
    """A roll-up: how many requests of a secret to an endpoint had an outcome in a period.

    `outcome` is "ok", "client_error", "server_error" or the reason of a denial. Days and all-time
    counts are kept for good. Statistics read only these, so their cost does not grow with the
    requests.
    """

    pk = models.CompositePrimaryKey(
        "key_id", "period", "starts_at", "method", "route", "outcome", "secret_id"
    )
    key_id = models.UUIDField()
    period = models.CharField(max_length=4, choices=Period)
    starts_at = models.DateTimeField(help_text="1970 for all time.")
    method = models.CharField(max_length=8)
    route = models.CharField(max_length=MOST_ROUTE)
    outcome = models.CharField(max_length=32)
    secret_id = models.UUIDField()
    requests = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(period__in=Period.values), name="use_count_period_is_known"
            )
        ]
        indexes = [
            models.Index(fields=["starts_at"], condition=Q(period="hour"), name="hours_of_use")
        ]

    def __str__(self) -> str:
        return f"{self.requests} × {self.method} {self.route} {self.outcome}"


class UnprovenCount(models.Model):
    """Presentations that proved no secret, by minute and network."""

    pk = models.CompositePrimaryKey("minute", "network", "reason")
    minute = models.DateTimeField()
    network = models.CharField(max_length=64)
    reason = models.CharField(max_length=32)
    requests = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.requests} × {self.reason} from {self.network}"


class RetiredUse(models.Model):
    """The latest request with a retired secret, and the one that was last reported as an alarm."""

    secret_id = models.UUIDField(primary_key=True)
    key_id = models.UUIDField()
    at = models.DateTimeField()
    address = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=MOST_USER_AGENT, blank=True)
    reported_at = models.DateTimeField(
        null=True, help_text="The time of the request that was reported."
    )

    class Meta:
        indexes = [models.Index(fields=["key_id"], name="retired_uses_of_key")]

    def __str__(self) -> str:
        return f"{self.secret_id} at {self.at}"


class SpoolSegment(models.Model):
    """How far a segment is drained.

    Advances in the transaction that stores the lines before the offset.
    """

    name = models.CharField(primary_key=True, max_length=80)
    offset = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} to {self.offset}"


class UsageGap(models.Model):
    """Requests that are missing from the usage, because a spool failed or lines were damaged."""

    segment = models.CharField(primary_key=True, max_length=80)
    since = models.DateTimeField()
    until = models.DateTimeField()
    served = models.PositiveBigIntegerField(default=0, help_text="Answered and not recorded.")
    refused = models.PositiveBigIntegerField(
        default=0, help_text="Refused, because they could not have been recorded."
    )
    unreadable = models.PositiveBigIntegerField(
        default=0, help_text="Lines whose checksum does not hold."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(until__gte=models.F("since")), name="usage_gap_ends_after_it_begins"
            )
        ]

    def __str__(self) -> str:
        return f"{self.served} unrecorded and {self.refused} refused since {self.since}"
