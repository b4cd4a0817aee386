"""Send webhooks: sign, post, note the answer, and disable a webhook that keeps failing."""

import json
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

import config
from apikeys.notices import webhooks
from apikeys.notices.causes import Cause
from apikeys.notices.errors import WebhookIsDisabled
from apikeys.notices.models import Delivery, Notice, Webhook
from apikeys.notices.record import about_organization
from apikeys.notices.spread import deliver
from audit.outbox import signature
from audit.outbox.errors import DeliveryFailed, Undeliverable
from audit.outbox.post import Reply, post
from audit.trail.actor import Actor
from config.lib.ids import uuid7

# A little less than a message is retried for, so that the last retry of a single message is late
# enough.
DISABLE_AFTER = timedelta(hours=23)
_GONE = 410
_BY = Actor.system("webhooks")


def send(payload: bytes) -> None:
    """Deliver once. Raises DeliveryFailed or one of its subclasses, for the outbox to retry."""
    found = Delivery.objects.select_related("webhook__organization", "notice")
    delivery = found.filter(pk=Delivery.id_in(payload)).first()
    if delivery is None:
        raise Undeliverable("The webhook was deleted.")
    if delivery.webhook.disabled_at:
        raise Undeliverable("The webhook is disabled.")
    now = timezone.now()
    try:
        answer = _post(delivery, now)
    except DeliveryFailed:
        _note(delivery, now, None)
        _failed(delivery.webhook, now)
        raise
    _note(delivery, now, answer)
    if answer.is_success:
        failing = Webhook.objects.filter(pk=delivery.webhook.pk, failing_since__isnull=False)
        failing.update(failing_since=None)
        return
    _refused(delivery.webhook, now, answer)


def body(notice: Notice) -> bytes:
    """The payload. Every attempt sends the same bytes."""
    at = notice.created_at.isoformat().replace("+00:00", "Z")
    payload = {"type": notice.cause, "timestamp": at, "data": notice.data}
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@transaction.atomic
def send_test(webhook: Webhook) -> Delivery:
    """Queue a test. Raises WebhookIsDisabled."""
    _require_enabled(webhook)
    now = timezone.now()
    test = Notice.objects.create(
        cause=Cause.WEBHOOK_TEST,
        organization=webhook.organization,
        subject_id=uuid7(),
        moment=now,
        data=about_organization(webhook.organization),
        spread_at=now,
    )
    return deliver([(test, webhook)])[0]


@transaction.atomic
def redeliver(delivery: Delivery) -> Delivery:
    """Queue the same notice once more, under the same `webhook-id`. Raises WebhookIsDisabled."""
    _require_enabled(delivery.webhook)
    return deliver([(delivery.notice, delivery.webhook)])[0]


def _post(delivery: Delivery, now: datetime) -> Reply:
    content = body(delivery.notice)
    signed = signature.headers(
        content,
        message_id=delivery.notice.public_id,
        seconds=int(now.timestamp()),
        keys=webhooks.signing_secrets(delivery.webhook, now),
    )
    agent = {"User-Agent": f"Keyway/{config.__version__}"}
    return post(delivery.webhook.url, content, agent | signed)


def _note(delivery: Delivery, at: datetime, answer: Reply | None) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(
        attempted_at=at,
        response_code=answer.status if answer else None,
        response_text=answer.text if answer else "",
    )


def _refused(webhook: Webhook, now: datetime, answer: Reply) -> None:
    if answer.status == _GONE:
        # Standard Webhooks: the receiver wants no more of it.
        webhooks.disable(webhook=webhook, by=_BY, reason="The receiver answered 410 Gone.")
        raise Undeliverable("The receiver answered 410 Gone.")
    _failed(webhook, now)
    suffix = " Redirects are not followed." if 300 <= answer.status < 400 else ""
    raise DeliveryFailed(f"The receiver answered {answer.status}.{suffix}")


def _failed(webhook: Webhook, now: datetime) -> None:
    if webhook.failing_since is None:
        Webhook.objects.filter(pk=webhook.pk, failing_since=None).update(failing_since=now)
    elif now - webhook.failing_since >= DISABLE_AFTER:
        reason = "No delivery has succeeded for a day."
        webhooks.disable(webhook=webhook, by=_BY, reason=reason)


def _require_enabled(webhook: Webhook) -> None:
    if webhook.disabled_at:
        raise WebhookIsDisabled()
