from django.db import models


class Kind(models.TextChoices):
    """Agent keys serve an organization's agents. Public keys serve scripts and services.

    An agent key belongs to its organization. A public key belongs to a member or to its
    organization.
    """

    AGENT = "agent", "Agent key"
    PUBLIC = "public", "Public key"
