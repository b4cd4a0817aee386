from django.db import models


class Kind(models.TextChoices):
    """Agent keys are the organization's, for agents only; public keys are a user's, for scripts."""

    AGENT = "agent", "Agent key"
    PUBLIC = "public", "Public key"
