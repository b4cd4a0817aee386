"""Typed access to the settings that notices use."""

from django.conf import settings


def site() -> str:
    """The address that links in emails begin with."""
    return str(settings.KEYWAY_URL).rstrip("/")
