from typing import ClassVar

from django.db import models


class Argon2Key(models.Model):
    """A common hand-written scheme: a prefix finds the row, and each request runs Argon2."""

    objects: ClassVar[models.Manager["Argon2Key"]] = models.Manager()

    prefix = models.CharField(max_length=16, unique=True)
    proof = models.CharField(max_length=128)


class Event(models.Model):
    """The columns of Keyway's activity event, with the indexes that its pages need."""

    objects: ClassVar[models.Manager["Event"]] = models.Manager()

    event_id = models.UUIDField()
    organization_id = models.UUIDField()
    event_time = models.DateTimeField()
    action_id = models.CharField(max_length=64)
    action_name = models.CharField(max_length=128, blank=True)
    succeeded = models.BooleanField(null=True)
    server_principal_name = models.CharField(max_length=256, blank=True)
    database_principal_name = models.CharField(max_length=256, blank=True)
    server_instance_name = models.CharField(max_length=256, blank=True)
    database_name = models.CharField(max_length=256, blank=True)
    schema_name = models.CharField(max_length=256, blank=True)
    object_name = models.CharField(max_length=256, blank=True)
    statement = models.TextField(blank=True)
    client_ip = models.GenericIPAddressField(null=True)
    application_name = models.CharField(max_length=256, blank=True)
    host_name = models.CharField(max_length=256, blank=True)
    session_id = models.CharField(max_length=64, blank=True)
    additional_information = models.TextField(blank=True)
    host = models.CharField(max_length=256)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "event_id"], name="event_is_stored_once"
            )
        ]
        indexes = [models.Index(fields=["organization_id", "event_time"], name="events_by_time")]
