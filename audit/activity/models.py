from django.db import models
from django.db.models import Q

from config.lib.environment import Environment
from config.lib.ids import encode

NAME_LENGTH = 256


class ActivityEvent(models.Model):
    """One audit event that an agent sent. Field names match SQL Server's audit record."""

    # Agents choose event ids, so an id identifies an event only within its partition.
    pk = models.CompositePrimaryKey("organization_id", "environment", "event_id")
    organization_id = models.UUIDField()
    environment = models.CharField(max_length=4, choices=Environment)
    event_id = models.UUIDField()
    event_time = models.DateTimeField()
    received_at = models.DateTimeField()
    host = models.CharField(max_length=NAME_LENGTH)
    action_id = models.CharField(max_length=16)
    action_name = models.CharField(max_length=128, blank=True)
    succeeded = models.BooleanField()
    server_principal_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    database_principal_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    server_instance_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    database_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    schema_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    object_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    statement = models.TextField(blank=True)
    client_ip = models.CharField(max_length=64, blank=True)
    application_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    host_name = models.CharField(max_length=NAME_LENGTH, blank=True)
    session_id = models.CharField(max_length=64, blank=True)
    additional_information = models.TextField(blank=True)
    digest = models.BinaryField(max_length=16)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(environment__in=Environment.values),
                name="activity_environment_is_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization_id", "environment", "-event_time", "-event_id"],
                name="activity_newest_first",
            ),
        ]

    def __str__(self) -> str:
        return encode("evt", self.event_id)
