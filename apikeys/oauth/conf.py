"""The settings that OAuth reads, typed."""

from datetime import timedelta

from django.conf import settings

CODE_LIFETIME = timedelta(seconds=60)


def issuer() -> str:
    """What tokens and answers name as their origin (RFC 8414, RFC 9207)."""
    return str(settings.KEYWAY_URL).rstrip("/")


def token_lifetime() -> timedelta:
    return timedelta(seconds=settings.KEYWAY_OAUTH_TOKEN_SECONDS)


def refresh_lifetime() -> timedelta:
    """From the last use; a refresh begins it anew."""
    return timedelta(days=settings.KEYWAY_OAUTH_REFRESH_DAYS)
