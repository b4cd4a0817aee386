"""Typed access to the settings that this app's domain modules use."""

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import urlsplit

from django.conf import settings

from config.lib.signing_keys import SigningKey, parse_signing_keys

SIGN_UP = ("closed", "open")
SIGN_UP_LINK_LIFETIME = timedelta(days=1)

# A longer lifetime is surely a mistake, and adding enough days overflows datetime.
MOST_DAYS = 3650


def lease() -> timedelta:
    """Return how long a process may reuse what it read about a secret. Zero reads every time."""
    return timedelta(milliseconds=settings.KEYWAY_LEASE_MS)


def signing_keys() -> Sequence[SigningKey]:
    """Return the signing keys, newest first. The first one signs and all of them verify.

    Raises ValueError, which a system check rules out at startup.
    """
    return parse_signing_keys(settings.KEYWAY_SIGNING_KEYS)


def issuer() -> str:
    """Return the `iss` claim of user tokens."""
    return str(settings.KEYWAY_URL).rstrip("/")


def refresh_lifetime() -> timedelta:
    """Return how long an unused refresh token stays valid."""
    return timedelta(days=settings.KEYWAY_REFRESH_TOKEN_DAYS)


def family_lifetime() -> timedelta:
    """Return how long one sign-in can be refreshed before the password is required again."""
    return timedelta(days=settings.KEYWAY_SIGN_IN_DAYS)


def link(path: str) -> str:
    """Return the full address of a path, for an email. Never built from a request's Host header."""
    return f"{issuer()}{path}"


def host() -> str:
    return urlsplit(issuer()).netloc


def password_link_lifetime() -> timedelta:
    """Return how long a link to choose a password works."""
    return timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)


def sign_up_is_open() -> bool:
    return bool(settings.KEYWAY_SIGN_UP == "open")


def sign_up_link_lifetime() -> timedelta:
    return SIGN_UP_LINK_LIFETIME


def recent_sign_in() -> timedelta:
    """Return for how long a sign-in counts as recent."""
    return timedelta(seconds=settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)


def sso_networks() -> Sequence[IPv4Network | IPv6Network]:
    """Return the networks where identity providers may be, besides public https addresses."""
    return settings.KEYWAY_SSO_NETWORKS


def dns_servers() -> Sequence[tuple[str, int]]:
    """Return the DNS servers that prove mail domains. Empty uses those of the system."""
    return settings.KEYWAY_DNS_SERVERS
