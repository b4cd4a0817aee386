"""Store messages until they are sent."""

from datetime import timedelta

from django.utils import timezone

from audit.outbox import conf
from audit.outbox.models import Message
from audit.outbox.seal import seal

KEPT = timedelta(days=30)
SLICE = 1000


def put(*, kind: str, recipient: str, subject: str, payload: bytes) -> Message:
    """Store a message in the caller's transaction: it is sent only if that commits."""
    return Message.objects.create(
        kind=kind,
        recipient=_clip(recipient, 320),
        subject=_clip(subject, 200),
        payload=seal(payload, conf.secret_keys()),
    )


def prune() -> None:
    """Remove messages that were sent or given up a month ago, a slice a transaction."""
    old = Message.objects.finished_before(timezone.now() - KEPT).order_by("pk")
    while slice_ := list(old.values_list("pk", flat=True)[:SLICE]):
        Message.objects.filter(pk__in=slice_).delete()


def _clip(text: str, most: int) -> str:
    """Drop what PostgreSQL or a page cannot show, such as NUL."""
    return "".join(c for c in text if c.isprintable())[:most]
