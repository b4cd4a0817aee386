"""The settings that the outbox reads, typed. Nothing else in it imports django.conf."""

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network

from django.conf import settings


def secret_keys() -> tuple[str, ...]:
    """Newest first: the first one seals, all of them open."""
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


def email_transport() -> tuple[str, timedelta]:
    """The Django email backend that sends, and its time-out for each reply of the mail server."""
    return settings.KEYWAY_EMAIL_TRANSPORT, timedelta(seconds=settings.EMAIL_TIMEOUT)


def webhook_networks() -> Sequence[IPv4Network | IPv6Network]:
    """The networks that webhooks reach in addition to public https addresses."""
    return settings.KEYWAY_WEBHOOK_NETWORKS
