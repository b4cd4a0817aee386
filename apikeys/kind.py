from django.db import models


class Kind(models.TextChoices):
    """Agent keys belong to an organization and serve its agents. Public keys belong to a user."""

    AGENT = "agent", "Agent key"
    PUBLIC = "public", "Public key"
