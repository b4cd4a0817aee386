"""Store messages until they are sent."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone

from audit.outbox import conf
from audit.outbox.models import Message
from audit.outbox.seal import seal

KEPT = timedelta(days=30)
SLICE = 1000


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message to be stored. Messages to one `destination` fail together; default: its kind."""

    kind: str
    recipient: str
    subject: str
    payload: bytes = field(repr=False)
    destination: str = ""


def put(*, kind: str, recipient: str, subject: str, payload: bytes) -> Message:
    """Store a message in the caller's transaction: it is sent only if that commits."""
    return put_all([Parcel(kind, recipient, subject, payload)])[0]


def put_all(parcels: Iterable[Parcel]) -> list[Message]:
    """Store messages like `put`, a few hundred a query, and return them in the same order."""
    keys = conf.secret_keys()
    rows = [
        Message(
            kind=parcel.kind,
            recipient=_clip(parcel.recipient, 320),
            subject=_clip(parcel.subject, 200),
            payload=seal(parcel.payload, keys),
            destination=parcel.destination or parcel.kind,
        )
        for parcel in parcels
    ]
    return Message.objects.bulk_create(rows, batch_size=SLICE)


def prune() -> None:
    """Remove messages that were sent or given up a month ago, a slice a transaction."""
    old = Message.objects.finished_before(timezone.now() - KEPT).order_by("pk")
    while slice_ := list(old.values_list("pk", flat=True)[:SLICE]):
        Message.objects.filter(pk__in=slice_).delete()


def _clip(text: str, most: int) -> str:
    """Drop what PostgreSQL or a page cannot show, such as NUL."""
    return "".join(c for c in text if c.isprintable())[:most]
