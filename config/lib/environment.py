from django.db import models


class Environment(models.TextChoices):
    """Test keys see and write test data only; live keys never see it."""

    LIVE = "live", "Live"
    TEST = "test", "Test"
