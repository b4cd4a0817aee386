"""The settings that this app's domain reads, typed."""

from datetime import timedelta

from django.conf import settings


def lease() -> timedelta:
    """How long a process may reuse what it read about a secret; zero reads every time."""
    return timedelta(milliseconds=settings.KEYWAY_LEASE_MS)
