"""Webhooks are signed, retried, logged, and stopped when their receiver is gone."""

import logging
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks.webhooks import WebhookVerificationError

from apikeys.notices import deliveries, webhooks
from apikeys.notices.errors import TooManyWebhooks, WebhookSecretShown, WebhookUrlRefused
from apikeys.notices.models import Delivery, Webhook
from apikeys.notices.spread import spread
from apikeys.notices.webhooks import AddedWebhook
from audit.models import TrailEntry
from audit.outbox import deliver
from audit.outbox.models import Message
from config.lib.logs import redact
from tenants.models import Organization, User
from tests.apikeys.notices.conftest import (
    Clock,
    add_webhook,
    deliver_now,
    found,
    subjects_by_recipient,
)
from tests.conftest import SYSTEM, IssueKey
from tests.servers.ports import free_port
from tests.servers.receiver import WebhookReceiver

pytestmark = pytest.mark.usefixtures("hook")


@pytest.fixture
def gone(acme: Organization, alice: User) -> Webhook:
    return add_webhook(acme, alice, f"http://127.0.0.1:{free_port()}/gone").webhook


def states() -> list[tuple[str, int | None, str]]:
    rows = Delivery.objects.select_related("message").order_by("pk")
    return [(each.message.state, each.response_code, each.message.error) for each in rows]


def test_package_of_others_verifies_an_event(
    receiver: WebhookReceiver, issue_public_key: IssueKey, acme: Organization, bob: User
) -> None:
    issued = issue_public_key()
    deliver_now()
    deliver_now()
    (request,) = receiver.received
    assert request.is_verified
    assert request.path == "/hooks?token=abc"
    assert request.headers["content-type"] == "application/json"
    (notice,) = found("key.issued")
    assert request.headers["webhook-id"] == notice.public_id
    key = request.payload["data"]["key"]
    assert request.payload["type"] == "key.issued"
    assert request.payload["data"]["organization"] == {"id": acme.public_id, "name": "Acme"}
    assert key == {
        "id": issued.key.public_id,
        "name": "SIEM Integration",
        "mask": issued.plaintext.mask,
        "kind": "public",
        "environment": "live",
        "owner": {"id": bob.public_id, "name": "Bob"},
    }
    assert issued.plaintext.reveal()[12:-4].encode() not in request.body


def test_altered_body_and_foreign_secret_do_not_verify(
    receiver: WebhookReceiver, issue_public_key: IssueKey, acme: Organization, alice: User
) -> None:
    issue_public_key()
    deliver_now()
    (request,) = receiver.received
    other = add_webhook(acme, alice, receiver.url + "&other").plaintext.reveal()
    for body, secret in ((request.body + b" ", receiver.secret), (request.body, other)):
        with pytest.raises(WebhookVerificationError):
            receiver.verify(body, request.headers, secret)


def test_other_organization_and_other_causes_get_nothing(
    receiver: WebhookReceiver, hook: AddedWebhook, issue_public_key: IssueKey, mallory: User
) -> None:
    issue_public_key(owner=mallory)
    webhooks.edit(webhook=hook.webhook, url=receiver.url, causes=["key.expired"], by=SYSTEM)
    issue_public_key()
    deliver_now()
    assert receiver.received == []


def test_refused_delivery_is_retried_with_the_same_bytes(
    receiver: WebhookReceiver, issue_public_key: IssueKey
) -> None:
    receiver.statuses, receiver.text = [500, 302], b"<script>out of order</script>"
    issue_public_key()
    deliver_now()
    assert states() == [("waiting", 500, "The receiver answered 500.")]
    deliver.send_due("webhook")
    assert len(receiver.received) == 1, "its pause has not passed"
    deliver_now()
    error = "The receiver answered 302. Redirects are not followed."
    assert states() == [("waiting", 302, error)]
    assert Webhook.objects.get().failing_since
    deliver_now()
    assert states() == [("sent", 204, "")]
    assert Webhook.objects.get().failing_since is None
    assert {(each.body, each.headers["webhook-id"]) for each in receiver.received} == {
        (receiver.received[0].body, receiver.received[0].headers["webhook-id"])
    }
    assert all(each.is_verified for each in receiver.received)


def test_unreachable_webhook_costs_one_time_out_for_its_queue(
    receiver: WebhookReceiver, gone: Webhook, issue_public_key: IssueKey
) -> None:
    for _ in range(12):
        issue_public_key()
    spread()
    deliver.send_due("webhook")
    assert len(receiver.received) == 12
    waiting = Message.objects.waiting().filter(destination=gone.public_id)
    assert sorted(waiting.values_list("attempts", flat=True)) == [0] * 11 + [1]
    assert not waiting.filter(due_at__lte=timezone.now()).exists()


def test_long_queue_of_one_webhook_delays_no_other(
    receiver: WebhookReceiver, hook: AddedWebhook, issue_public_key: IssueKey,
    acme: Organization, alice: User,
) -> None:  # fmt: skip
    for _ in range(20):
        deliveries.send_test(hook.webhook)
    deliveries.send_test(add_webhook(acme, alice, receiver.url + "&second").webhook)
    deliver.send_due("webhook")
    paths = [each.path for each in receiver.received]
    assert paths.index("/hooks?token=abc&second") < deliver.BATCH


def test_webhook_is_disabled_after_a_day_of_failures(
    clock: Clock, gone: Webhook, issue_public_key: IssueKey, alice: User, bob: User
) -> None:
    issue_public_key()
    deliver_now()
    clock.now += deliveries.DISABLE_AFTER - timedelta(microseconds=1)
    deliver_now()
    assert not Webhook.objects.get(pk=gone.pk).disabled_at
    clock.now += timedelta(microseconds=1)
    deliver_now()
    deliver_now()
    gone.refresh_from_db()
    assert gone.disabled_at == clock.now
    assert gone.disabled_reason == "No delivery has succeeded for a day."
    entries = TrailEntry.objects.filter(action="webhook.disabled")
    assert [entry.target_id for entry in entries] == [gone.public_id]
    told = f"[Keyway] Acme: The webhook to {gone.origin} is disabled"
    assert subjects_by_recipient() == {alice.email: [told]}
    assert Webhook.objects.enabled().count() == 1, "the other webhook"


def test_receiver_that_is_gone_for_good_says_so(
    receiver: WebhookReceiver, hook: AddedWebhook
) -> None:
    receiver.statuses = [410]
    deliveries.send_test(hook.webhook)
    deliver_now()
    assert states() == [("given up", 410, "The receiver answered 410 Gone.")]
    assert Webhook.objects.get().disabled_reason == "The receiver answered 410 Gone."


def test_disabled_or_deleted_webhook_receives_nothing_queued(
    receiver: WebhookReceiver, hook: AddedWebhook, issue_public_key: IssueKey
) -> None:
    issue_public_key()
    spread()
    webhooks.disable(webhook=hook.webhook, by=SYSTEM)
    deliver_now()
    assert states() == [("given up", None, "The webhook is disabled.")]
    webhooks.enable(webhook=hook.webhook, by=SYSTEM)
    deliveries.send_test(hook.webhook)
    webhooks.delete(webhook=hook.webhook, by=SYSTEM)
    deliver_now()
    assert receiver.received == []
    assert set(Message.objects.filter(kind="webhook").values_list("error", flat=True)) == {
        "The webhook is disabled.",
        "The webhook was deleted.",
    }


def test_rotated_secret_signs_beside_the_old_one_for_a_day(
    clock: Clock, receiver: WebhookReceiver, hook: AddedWebhook
) -> None:
    old = receiver.secret
    new = webhooks.rotate_secret(webhook=hook.webhook, by=SYSTEM, idempotency_key="n").reveal()

    def accepted_by() -> set[str]:
        deliveries.send_test(hook.webhook)
        deliver_now()
        request, accepted = receiver.received[-1], set()
        for secret in (old, new):
            with suppress(WebhookVerificationError):
                receiver.verify(request.body, request.headers, secret)
                accepted.add(secret)
        return accepted

    assert accepted_by() == {old, new}
    Webhook.objects.update(previous_until=clock.now)
    assert accepted_by() == {new}
    with pytest.raises(WebhookSecretShown):
        webhooks.rotate_secret(webhook=hook.webhook, by=SYSTEM, idempotency_key="n")
    assert accepted_by() == {new}


def test_secret_is_nowhere_in_clear(hook: AddedWebhook, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = hook.plaintext.reveal()
    deliveries.send_test(hook.webhook)
    deliver_now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM apikeys_webhook")
        row = b" ".join(
            bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode()
            for v in cursor.fetchone()
        )
    assert secret.encode()[6:30] not in row
    assert hook.plaintext.raw not in row
    trail = " ".join(TrailEntry.objects.values_list("body", flat=True))
    for text in (trail, caplog.text, repr(hook), str(hook.plaintext)):
        assert secret[6:30] not in text
    assert redact(f"sent with {secret}, then") == "sent with whsec_[redacted], then"
    assert "token=abc" not in trail, "the path can hold a token of the receiver"


def test_secret_survives_a_change_of_the_secret_key(
    receiver: WebhookReceiver, hook: AddedWebhook, settings: Settings
) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another " * 8
    webhooks.reseal()
    settings.SECRET_KEY_FALLBACKS = []
    deliveries.send_test(hook.webhook)
    deliver_now()
    assert receiver.received[0].is_verified


@pytest.mark.parametrize(
    ("url", "networks"),
    [
        ("http://example.com/", []),
        ("https://127.0.0.1/", []),
        ("https://[::ffff:10.0.0.1]/", []),
        ("https://169.254.169.254/latest/meta-data/", []),
        ("https://8.8.8.8:22/", []),
        ("http://10.2.0.1/", ["10.1.0.0/16"]),
    ],
)
def test_url_that_leads_inside_is_refused_at_once(
    url: str, networks: list[str], settings: Settings, acme: Organization, alice: User
) -> None:
    settings.KEYWAY_WEBHOOK_NETWORKS = [ip_network(each) for each in networks]
    with pytest.raises(WebhookUrlRefused):
        add_webhook(acme, alice, url)
    assert add_webhook(acme, alice, "https://example.com/").webhook.pk


def test_an_organization_has_ten_webhooks(acme: Organization, alice: User, mallory: User) -> None:
    for number in range(webhooks.MOST - 1):
        add_webhook(acme, alice, f"https://example.com/{number}")
    with pytest.raises(TooManyWebhooks):
        add_webhook(acme, alice, "https://example.com/11")
    globex = mallory.memberships.get().organization
    assert add_webhook(globex, mallory, "https://example.com/").webhook.pk


def test_every_change_is_trailed_once(hook: AddedWebhook, receiver: WebhookReceiver) -> None:
    webhook, by = hook.webhook, {"by": SYSTEM}
    webhooks.edit(webhook=webhook, url="https://example.com/s3cret", causes=["key.issued"], **by)
    webhooks.edit(webhook=webhook, url="https://example.com/s3cret", causes=["key.issued"], **by)
    webhooks.rotate_secret(webhook=webhook, idempotency_key="n", **by)
    for change in (webhooks.disable, webhooks.enable):
        change(webhook=webhook, **by)
        change(webhook=webhook, **by)
    webhooks.delete(webhook=webhook, **by)
    webhooks.delete(webhook=webhook, **by)
    entries: Any = TrailEntry.objects.filter(action__startswith="webhook.").order_by("sequence")
    assert [entry.action for entry in entries] == [
        "webhook.added",
        "webhook.changed",
        "webhook.secret_rotated",
        "webhook.disabled",
        "webhook.enabled",
        "webhook.deleted",
    ]
    assert "s3cret" not in "".join(entry.body for entry in entries)
