from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_network

import msgspec
import pytest
from django.utils import timezone
from pytest_django import Settings

from apikeys.notices import webhooks
from apikeys.notices.causes import FOR_WEBHOOKS
from apikeys.notices.models import Notice
from apikeys.notices.spread import spread
from apikeys.notices.webhooks import AddedWebhook
from audit.outbox import conf, deliver
from audit.outbox.mail import Letter
from audit.outbox.models import Message
from audit.outbox.seal import open_sealed
from tenants.models import Organization, User
from tests.conftest import SYSTEM
from tests.servers.receiver import WebhookReceiver


class Clock:
    """Django's clock, which moves only when a test moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def after(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(timezone.now())
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    return clock


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as server:
        yield server


@pytest.fixture
def hook(
    acme: Organization, alice: User, receiver: WebhookReceiver, settings: Settings
) -> AddedWebhook:
    """A webhook of Acme for every cause, whose receiver knows its secret."""
    settings.KEYWAY_WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]
    added = add_webhook(acme, alice, receiver.url)
    receiver.secret = added.plaintext.reveal()
    return added


def add_webhook(organization: Organization, user: User, url: str) -> AddedWebhook:
    return webhooks.add(
        organization=organization,
        url=url,
        causes=[cause.value for cause in FOR_WEBHOOKS],
        by=SYSTEM,
        created_by=user,
        idempotency_key=url,
    )


def found(cause: str) -> list[Notice]:
    return list(Notice.objects.filter(cause=cause).order_by("pk"))


def letters() -> list[Letter]:
    """Spread what waits, and return the emails of the outbox, oldest first."""
    spread()
    waiting = Message.objects.filter(kind="email").order_by("pk")
    return [
        msgspec.json.decode(
            open_sealed(bytes(each.payload or b""), conf.secret_keys()), type=Letter
        )
        for each in waiting
    ]


def subjects_by_recipient() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for letter in letters():
        found.setdefault(letter.recipient, []).append(letter.subject)
    return found


def deliver_now() -> None:
    """Spread and send, as if every pause had passed."""
    spread()
    for message in Message.objects.waiting().filter(kind="webhook"):
        Message.objects.filter(pk=message.pk).update(due_at=message.created_at)
    deliver.send_due("webhook")
