"""The settings that the outbox reads, typed. Nothing else in it imports django.conf."""

from datetime import timedelta

from django.conf import settings


def secret_keys() -> tuple[str, ...]:
    """Newest first: the first one seals, all of them open."""
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


def email_transport() -> tuple[str, timedelta]:
    """The Django email backend that sends, and its time-out for each reply of the mail server."""
    return settings.KEYWAY_EMAIL_TRANSPORT, timedelta(seconds=settings.EMAIL_TIMEOUT)
