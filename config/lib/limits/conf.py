"""Typed settings of the limits."""

from datetime import timedelta

from django.conf import settings

from config.lib.rates import Rate


def limits() -> dict[str, Rate | None]:
    """Return the rates by name: key, application, user, organization, refused, issue, refresh.

    None switches a limit off.
    """
    return settings.KEYWAY_LIMITS


def processes() -> int:
    """Return how many processes share a limit while they cannot count together."""
    return int(settings.KEYWAY_PROCESSES)


def redis() -> tuple[str, timedelta] | None:
    """Return the URL of the shared Redis and its timeout, or None without Redis."""
    return (
        (settings.REDIS_URL, timedelta(milliseconds=settings.KEYWAY_REDIS_WAIT_MS))
        if settings.REDIS_URL
        else None
    )
