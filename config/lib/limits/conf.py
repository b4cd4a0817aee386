"""The settings of limits, typed."""

from datetime import timedelta

from django.conf import settings

from config.lib.rates import Rate


def limits() -> dict[str, Rate | None]:
    """By what is limited: key, application, organization, refused, issue, refresh. None is off."""
    return settings.KEYWAY_LIMITS


def processes() -> int:
    """How many processes share a limit that they cannot count together."""
    return int(settings.KEYWAY_PROCESSES)


def redis() -> tuple[str, timedelta] | None:
    """Where limits are counted for all processes together, and how long to wait for it."""
    return (
        (settings.REDIS_URL, timedelta(milliseconds=settings.KEYWAY_REDIS_WAIT_MS))
        if settings.REDIS_URL
        else None
    )
