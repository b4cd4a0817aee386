from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class MessageQuerySet(models.QuerySet["Message"]):
    def waiting(self) -> Self:
        return self.filter(sent_at=None, given_up_at=None)

    def due(self) -> Self:
        """Waiting, at their time, and claimed by no worker; the oldest first."""
        free = Q(claimed_until=None) | Q(claimed_until__lte=Now())
        return self.waiting().filter(free, due_at__lte=Now()).order_by("due_at", "pk")

    def finished_before(self, at: datetime) -> Self:
        return self.filter(Q(sent_at__lt=at) | Q(given_up_at__lt=at))


class Message(models.Model):
    """One message to one recipient. `recipient` and `subject` are labels; the payload is sent."""

    kind = models.CharField(max_length=16)
    # Messages to one destination are sent in turns with those to others, and fail together.
    destination = models.CharField(max_length=64, default="", blank=True)
    recipient = models.CharField(max_length=320)
    subject = models.CharField(max_length=200)
    # Sealed, and erased once the message is sent or given up: a password reset link is a secret.
    payload = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now())
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, help_text="Of the last attempt.")
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(sent_at=None) | Q(given_up_at=None),
                name="message_is_not_both_sent_and_given_up",
            ),
            models.CheckConstraint(
                condition=Q(sent_at=None, given_up_at=None, payload__isnull=False)
                | (Q(payload=None) & ~Q(sent_at=None, given_up_at=None)),
                name="message_has_payload_exactly_while_waiting",
            ),
        ]
        indexes = [
            models.Index(
                F("due_at"),
                condition=Q(sent_at=None, given_up_at=None),
                name="waiting_messages",
            ),
            models.Index(
                F("destination"),
                F("due_at"),
                condition=Q(sent_at=None, given_up_at=None),
                name="waiting_by_destination",
            ),
            models.Index(F("kind"), F("created_at"), name="messages_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.recipient}"

    @property
    def state(self) -> str:
        if self.sent_at:
            return "sent"
        return "given up" if self.given_up_at else "waiting"
