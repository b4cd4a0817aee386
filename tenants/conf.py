"""The settings that this app's domain reads, typed."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings

from config.lib.signing_keys import SigningKey, parse_signing_keys

# More days than this are a mistake, and some of them no date at all.
MOST_DAYS = 3650


def lease() -> timedelta:
    """How long a process may reuse what it read about a secret; zero reads every time."""
    return timedelta(milliseconds=settings.KEYWAY_LEASE_MS)


def signing_keys() -> Sequence[SigningKey]:
    """Newest first: the first one signs, all of them verify. Raises ValueError, which a startup check has ruled out."""
    return parse_signing_keys(settings.KEYWAY_SIGNING_KEYS)


def issuer() -> str:
    """The `iss` of user tokens."""
    return str(settings.KEYWAY_URL).rstrip("/")


def refresh_lifetime() -> timedelta:
    """How long a refresh token may lie unused."""
    return timedelta(days=settings.KEYWAY_REFRESH_TOKEN_DAYS)


def family_lifetime() -> timedelta:
    """How long one sign-in may be refreshed before the password is asked for again."""
    return timedelta(days=settings.KEYWAY_SIGN_IN_DAYS)
