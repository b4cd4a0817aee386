"""Requests for keys that need the approval of a second person."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from audit.trail.actor import Target
from config.lib.environment import Environment
from config.lib.ids import encode, uuid7
from tenants.models import Membership, Organization, User

# A request waits this long for its answer, and an approved one this long for its requester.
LASTS = timedelta(days=7)
MOST_REASON = 255


class RequestStatus(models.TextChoices):
    REQUESTED = "requested", "Requested"
    APPROVED = "approved", "Approved"
    COLLECTED = "collected", "Collected"
    REFUSED = "refused", "Refused"
    LAPSED = "lapsed", "Lapsed"


class KeyRequestQuerySet(models.QuerySet["KeyRequest"]):
    def for_organization(self, organization: Organization) -> KeyRequestQuerySet:
        return self.filter(organization=organization)

    def with_status(self, status: RequestStatus, at: datetime) -> KeyRequestQuerySet:
        """The requests whose `KeyRequest.status` is `status`."""
        is_open = Q(refused_at=None, collected_at=None, lapsed_at=None)
        lasts = is_open & Q(lapses_at__gt=at)
        conditions = {
            RequestStatus.REQUESTED: lasts & Q(approved_at=None),
            RequestStatus.APPROVED: lasts & Q(approved_at__isnull=False),
            RequestStatus.COLLECTED: Q(collected_at__isnull=False),
            RequestStatus.REFUSED: Q(refused_at__isnull=False),
            RequestStatus.LAPSED: Q(lapsed_at__isnull=False) | is_open & Q(lapses_at__lte=at),
        }
        return self.filter(conditions[status])

    def still_open(self, at: datetime) -> KeyRequestQuerySet:
        """Requests that wait for an answer or for their requester."""
        return self.filter(refused_at=None, collected_at=None, lapsed_at=None, lapses_at__gt=at)

    def due_to_lapse(self, at: datetime) -> KeyRequestQuerySet:
        return self.filter(refused_at=None, collected_at=None, lapsed_at=None, lapses_at__lte=at)

    def with_people(self) -> KeyRequestQuerySet:
        return self.select_related("organization", "requester", "answered_by", "owner__user", "key")


class KeyRequest(models.Model):
    """A live public key that waits for approval. It has no secret and is no key.

    Guards keep what was asked and how it was answered from changing. The key is made when the
    requester collects it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="key_requests")
    requester = models.ForeignKey(User, models.PROTECT, related_name="key_requests")
    # Null: a key of the organization.
    owner = models.ForeignKey(
        Membership, models.PROTECT, null=True, blank=True, related_name="key_requests"
    )
    # The public id of the key or application that sent the request for its owner.
    sent_with = models.CharField(max_length=64, blank=True)
    name = models.CharField("label", max_length=255)
    description = models.CharField(max_length=500, blank=True)
    held_by = models.CharField(max_length=255, blank=True)
    scopes = models.JSONField(default=list)
    allowed_cidrs = models.JSONField(default=list, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    lapses_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="answered_key_requests"
    )
    reason = models.CharField(max_length=MOST_REASON, blank=True)
    collected_at = models.DateTimeField(null=True, blank=True)
    lapsed_at = models.DateTimeField(null=True, blank=True)
    key = models.OneToOneField(
        "apikeys.Key", models.PROTECT, null=True, blank=True, related_name="request"
    )
    idempotency_key = models.CharField(max_length=64, null=True, blank=True, unique=True)
    request_digest = models.CharField(max_length=64, null=True, blank=True)

    objects = KeyRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="requested_key_has_a_name"),
            models.CheckConstraint(condition=~Q(scopes=[]), name="requested_key_has_scopes"),
            models.CheckConstraint(
                condition=Q(approved_at=None) | Q(refused_at=None),
                name="key_request_has_one_answer",
            ),
            models.CheckConstraint(
                condition=Q(approved_at=None, refused_at=None, answered_by=None)
                | Q(answered_by__isnull=False)
                & (Q(approved_at__isnull=False) | Q(refused_at__isnull=False)),
                name="key_request_is_answered_by_a_person",
            ),
            # Two people is the whole point, so the database holds it too.
            models.CheckConstraint(
                condition=Q(answered_by=None) | ~Q(answered_by=F("requester")),
                name="requester_does_not_answer",
            ),
            models.CheckConstraint(
                condition=Q(refused_at=None) | ~Q(reason=""), name="refusal_has_a_reason"
            ),
            models.CheckConstraint(
                condition=Q(key=None, collected_at=None)
                | Q(key__isnull=False, collected_at__isnull=False, approved_at__isnull=False),
                name="only_an_approved_key_is_collected",
            ),
            models.CheckConstraint(
                condition=Q(lapsed_at=None) | Q(refused_at=None, collected_at=None),
                name="only_an_open_request_lapses",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="key_requests_of_organization"),
            models.Index(
                fields=["lapses_at"],
                condition=Q(refused_at=None, collected_at=None, lapsed_at=None),
                name="key_requests_that_wait",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        return encode("req", self.id)

    @property
    def environment(self) -> Environment:
        return Environment.LIVE

    @property
    def owner_name(self) -> str:
        return str(self.owner.user) if self.owner else self.organization.name

    @property
    def answered_at(self) -> datetime | None:
        return self.approved_at or self.refused_at

    def status(self, at: datetime) -> RequestStatus:
        if self.collected_at:
            return RequestStatus.COLLECTED
        if self.refused_at:
            return RequestStatus.REFUSED
        # The clock decides. The worker only records it.
        if self.lapsed_at or self.lapses_at <= at:
            return RequestStatus.LAPSED
        return RequestStatus.APPROVED if self.approved_at else RequestStatus.REQUESTED

    def as_target(self) -> Target:
        return Target(kind="key_request", id=self.public_id, name=self.name)
