from collections.abc import Callable, Iterator

import pytest
from django.core.mail import EmailMessage
from pytest_django import Settings

from audit.outbox.models import Message
from tests.servers.smtp import SmtpServer

SECRET = "https://keyway.example/accounts/password/reset/key/1-a-secret-link/"
Send = Callable[..., None]


@pytest.fixture(autouse=True)
def _email_goes_to_the_outbox(settings: Settings, db: None) -> None:
    settings.EMAIL_BACKEND = "audit.outbox.backend.OutboxBackend"
    settings.KEYWAY_EMAIL_TRANSPORT = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_TIMEOUT = 0.3


@pytest.fixture
def smtp(settings: Settings) -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


@pytest.fixture
def send() -> Send:
    """Send an email as any of Keyway's code does: ``send("bob@acme.example", subject="…")``."""

    def sent(*to: str, subject: str = "Password reset", body: str = SECRET, **more: object) -> None:
        EmailMessage(subject, body, to=list(to), **more).send()  # type: ignore[arg-type]

    return sent


def due_now() -> None:
    """As if every pause had passed."""
    for message in Message.objects.waiting():
        Message.objects.filter(pk=message.pk).update(due_at=message.created_at)
