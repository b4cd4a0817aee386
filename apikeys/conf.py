"""Typed access to this app's settings. No other domain module here imports django.conf."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from config.lib.peppers import Pepper


def peppers() -> Sequence[Pepper]:
    """Newest first. New secrets use the first pepper; verification accepts all of them."""
    return settings.KEYWAY_PEPPERS


def prefixes() -> dict[str, str]:
    """The prefix of a secret, by kind of key."""
    return {"agent": settings.KEYWAY_AGENT_KEY_PREFIX, "public": settings.KEYWAY_PUBLIC_KEY_PREFIX}


def extra_scopes() -> list[dict[str, str]]:
    return list(settings.KEYWAY_SCOPES)


def argon2_policy() -> tuple[int, int]:
    """Return memory in KiB and the number of passes."""
    return settings.KEYWAY_ARGON2_MEMORY_KIB, settings.KEYWAY_ARGON2_TIME_COST


def hash_wait() -> timedelta:
    return timedelta(milliseconds=settings.KEYWAY_HASH_WAIT_MS)


def spool() -> tuple[Path, int]:
    """Return the spool's directory and its size limit in bytes."""
    return Path(settings.KEYWAY_SPOOL), settings.KEYWAY_SPOOL_BYTES


def blocks_when_full() -> bool:
    """Whether to refuse a request whose usage cannot be recorded, instead of serving it."""
    return bool(settings.KEYWAY_USAGE_WHEN_FULL == "block")


def usage_retention() -> timedelta:
    return timedelta(days=settings.KEYWAY_USAGE_RETENTION_DAYS)
