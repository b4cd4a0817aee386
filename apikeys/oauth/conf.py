"""Typed access to the settings of OAuth."""

from datetime import timedelta

from django.conf import settings

CODE_LIFETIME = timedelta(seconds=60)


def issuer() -> str:
    """The issuer identifier of metadata and authorization responses (RFC 8414, RFC 9207)."""
    return str(settings.KEYWAY_URL).rstrip("/")


def token_lifetime() -> timedelta:
    return timedelta(seconds=settings.KEYWAY_OAUTH_TOKEN_SECONDS)


def refresh_lifetime() -> timedelta:
    """How long a refresh token lasts. Refreshing issues a new one with the full lifetime."""
    return timedelta(days=settings.KEYWAY_OAUTH_REFRESH_DAYS)
