"""The settings that key code reads, typed. Nothing else in this app's domain imports django.conf."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from config.lib.peppers import Pepper


def peppers() -> Sequence[Pepper]:
    """Newest first: the first one mints, all of them verify."""
    return settings.KEYWAY_PEPPERS


def prefixes() -> dict[str, str]:
    """Kind of key to the prefix of its secrets."""
    return {"agent": settings.KEYWAY_AGENT_KEY_PREFIX, "public": settings.KEYWAY_PUBLIC_KEY_PREFIX}


def accepts_bearer_keys() -> bool:
    """Whether an API key is also taken from `Authorization: Bearer`."""
    return bool(settings.KEYWAY_ACCEPT_BEARER_KEYS)


def extra_scopes() -> list[dict[str, str]]:
    return list(settings.KEYWAY_SCOPES)


def argon2_policy() -> tuple[int, int]:
    """Memory in KiB, passes."""
    return settings.KEYWAY_ARGON2_MEMORY_KIB, settings.KEYWAY_ARGON2_TIME_COST


def hash_wait() -> timedelta:
    return timedelta(milliseconds=settings.KEYWAY_HASH_WAIT_MS)


def spool() -> tuple[Path, int]:
    """Its directory, and how many bytes it may hold."""
    return Path(settings.KEYWAY_SPOOL), settings.KEYWAY_SPOOL_BYTES


def blocks_when_full() -> bool:
    """Whether a request that cannot be recorded is refused, instead of answered and counted."""
    return bool(settings.KEYWAY_USAGE_WHEN_FULL == "block")


def usage_retention() -> timedelta:
    return timedelta(days=settings.KEYWAY_USAGE_RETENTION_DAYS)
