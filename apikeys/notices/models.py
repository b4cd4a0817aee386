"""Notices, what people and organizations chose of them, and the webhooks that receive them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from apikeys.notices.causes import FOR_ADMINS, Cause, defaults
from audit.outbox.destinations import LONGEST_URL, BadUrl, parse
from audit.outbox.models import Message
from audit.outbox.post import MOST_TEXT
from audit.trail.actor import Target
from config.lib.ids import encode, uuid7
from tenants.models import Organization, User

AGENT_LENGTH = 100


class NoticeQuerySet(models.QuerySet["Notice"]):
    def to_spread(self) -> NoticeQuerySet:
        return self.filter(spread_at=None).order_by("pk")


class Notice(models.Model):
    """One event that people or webhooks are notified of.

    `subject_id` is the key, agent, request or sign-in it is about, and `moment` the time that makes
    the event a different one from the last of the same cause and subject.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    cause = models.CharField(max_length=48)
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="+")
    # The owner of the key, the requester, or the person who signed in.
    person = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    subject_id = models.UUIDField()
    moment = models.DateTimeField()
    # Ids, names and masks; the `data` of a webhook's payload. Never a secret.
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    spread_at = models.DateTimeField(null=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cause", "subject_id", "moment"], name="one_event_one_notice"
            ),
            models.CheckConstraint(
                condition=Q(organization__isnull=False) | Q(person__isnull=False),
                name="notice_concerns_an_organization_or_a_person",
            ),
        ]
        indexes = [
            models.Index(F("id"), condition=Q(spread_at=None), name="notices_to_spread"),
            models.Index(fields=["created_at"], name="notices_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.cause} {self.public_id}"

    @property
    def public_id(self) -> str:
        return encode("ntc", self.id)

    @property
    def title(self) -> str:
        return Cause(self.cause).label


def admins_causes() -> list[str]:
    return defaults(FOR_ADMINS)


class OrganizationNotifications(models.Model):
    """What an organization's admins get by email. Without a row, the defaults."""

    organization = models.OneToOneField(
        Organization, models.PROTECT, primary_key=True, related_name="notifications"
    )
    causes = models.JSONField(default=admins_causes)
    # Ids of memberships; empty means all owners and admins.
    recipients = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"Notifications of {self.organization}"


class PersonNotifications(models.Model):
    """What a person switched on or off: the name of a choice to true or false."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="+")
    choices = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"Notifications of {self.user}"


class KnownOrigin(models.Model):
    """An address and a kind of browser or program that a person has signed in from."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    address = models.CharField(max_length=64)
    agent = models.CharField(max_length=AGENT_LENGTH)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "address", "agent"], name="origin_is_known_once"
            )
        ]
        indexes = [models.Index(fields=["last_seen_at"], name="origins_by_age")]

    def __str__(self) -> str:
        return f"{self.agent} at {self.address}"


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def for_organization(self, organization: Organization) -> WebhookQuerySet:
        return self.filter(organization=organization)

    def enabled(self) -> WebhookQuerySet:
        return self.filter(disabled_at=None)


class Webhook(models.Model):
    """A URL that an organization's notices are posted to. The secrets are sealed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="webhooks")
    url = models.CharField(max_length=LONGEST_URL)
    causes = models.JSONField(default=list)
    secret = models.BinaryField()
    # While receivers move to the new secret, requests are signed with both.
    previous_secret = models.BinaryField(null=True)
    previous_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    # Of the form that showed the latest secret, so that submitting it again shows no other.
    idempotency_key = models.CharField(max_length=64)
    failing_since = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=200, blank=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(url=""), name="webhook_has_a_url"),
            models.CheckConstraint(
                condition=Q(previous_secret=None, previous_until=None)
                | Q(previous_secret__isnull=False, previous_until__isnull=False),
                name="webhook_has_an_earlier_secret_until_a_time",
            ),
            models.UniqueConstraint(
                fields=["created_by", "idempotency_key"], name="one_form_shows_one_webhook_secret"
            ),
        ]

    def __str__(self) -> str:
        return self.origin

    @property
    def public_id(self) -> str:
        return encode("whk", self.id)

    @property
    def origin(self) -> str:
        """Scheme, host and port. The path is not logged: it can hold a token of the receiver."""
        try:
            return parse(self.url).origin
        except BadUrl:
            return "unknown"

    @property
    def titles(self) -> list[str]:
        return [Cause(cause).label for cause in self.causes]

    def as_target(self) -> Target:
        return Target(kind="webhook", id=self.public_id, name=self.origin)


class Delivery(models.Model):
    """One notice on its way to one webhook. The outbox has its state; both are kept a month."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    notice = models.ForeignKey(Notice, models.CASCADE, related_name="deliveries")
    message = models.OneToOneField(Message, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    attempted_at = models.DateTimeField(null=True)
    response_code = models.PositiveSmallIntegerField(null=True)
    response_text = models.CharField(max_length=MOST_TEXT, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [models.Index(fields=["webhook", "-created_at"], name="deliveries_of_webhook")]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return encode("dlv", self.id)

    @classmethod
    def id_in(cls, payload: bytes) -> uuid.UUID:
        return uuid.UUID(bytes=payload)


def newest_first(webhook: Webhook) -> models.QuerySet[Delivery]:
    return (
        Delivery.objects.filter(webhook=webhook)
        .select_related("notice", "message")
        .order_by("-created_at", "-pk")
    )
