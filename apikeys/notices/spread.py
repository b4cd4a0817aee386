"""Turn each notice into its emails and webhook deliveries, in one transaction and once."""

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.utils import timezone

from apikeys.notices import conf, letters
from apikeys.notices.audience import Audience, Reader
from apikeys.notices.models import Delivery, Notice, Webhook
from audit.outbox import mail, store
from audit.outbox.store import Parcel

logger = logging.getLogger(__name__)

SLICE = 1000

Group = tuple[Reader, str, uuid.UUID | None, object]


def spread() -> None:
    """Spread all notices that wait, a slice a transaction."""
    while _spread_slice():
        pass


def deliver(pairs: Sequence[tuple[Notice, Webhook]]) -> list[Delivery]:
    """Store a delivery for each pair, in the caller's transaction."""
    deliveries = [Delivery(notice=notice, webhook=webhook) for notice, webhook in pairs]
    messages = store.put_all(
        Parcel(
            kind="webhook",
            recipient=delivery.webhook.origin,
            subject=delivery.notice.cause,
            payload=delivery.id.bytes,
            destination=delivery.webhook.public_id,
        )
        for delivery in deliveries
    )
    for delivery, message in zip(deliveries, messages, strict=True):
        delivery.message = message
    return Delivery.objects.bulk_create(deliveries, batch_size=SLICE)


def _spread_slice() -> bool:
    # Checked first, because on SQLite the transaction below takes the write lock.
    if not Notice.objects.to_spread().exists():
        return False
    with transaction.atomic():
        waiting = Notice.objects.to_spread().select_related("organization", "person")
        if connection.features.has_select_for_update_skip_locked:
            waiting = waiting.select_for_update(skip_locked=True, of=("self",))
        notices = list(waiting[:SLICE])
        audience = Audience(notices)
        store.put_all(_emails(notices, audience))
        deliver([(notice, each) for notice in notices for each in audience.webhooks(notice)])
        ids = [notice.pk for notice in notices]
        Notice.objects.filter(pk__in=ids).update(spread_at=timezone.now())
    return bool(notices)


def _emails(notices: Iterable[Notice], audience: Audience) -> Iterator[Parcel]:
    groups: dict[Group, list[Notice]] = defaultdict(list)
    for notice in notices:
        for reader in audience.readers(notice):
            apart = notice.data.get("days") if notice.cause in letters.TOGETHER else notice.pk
            groups[reader, notice.cause, notice.organization_id, apart].append(notice)
    site = conf.site()
    for (reader, *_), group in groups.items():
        subject, body = letters.write(group, reader.why, site)
        yield from _parcels(EmailMessage(subject, body, to=[reader.user.email]))


def _parcels(email: EmailMessage) -> Iterator[Parcel]:
    try:
        for letter in mail.letters(email):
            yield Parcel("email", letter.recipient, letter.subject, mail.payload(letter))
    except ValueError:
        # An address that no mail server takes. It must not keep the notices of all others back.
        logger.exception("A notice cannot be emailed")
