"""The two environments of keys and of audit events."""

from django.db import models


class Environment(models.TextChoices):
    """Test keys read and write test data only. Live keys never see test data."""

    LIVE = "live", "Live"
    TEST = "test", "Test"
