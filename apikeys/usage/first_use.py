"""When a secret was first used. Denied requests are no use."""

from datetime import datetime, timedelta

from django.db.models import Exists, Min, OuterRef

from apikeys.stored_secret import Secret
from apikeys.usage.models import Period, Use, UseCount

ANSWERED = ("ok", "client_error", "server_error")


def is_used() -> Exists:
    """A condition on secrets, answered from a few counters whatever the traffic of the key."""
    counts = UseCount.objects.filter(
        key_id=OuterRef("key_id"),
        period=Period.EVER,
        secret_id=OuterRef("pk"),
        outcome__in=ANSWERED,
    )
    return Exists(counts)


def first_use(secret: Secret) -> Use | None:
    """Return the first answered request, or None if retention has removed it already."""
    hours = UseCount.objects.filter(
        key_id=secret.key_id, period=Period.HOUR, secret_id=secret.pk, outcome__in=ANSWERED
    )
    hour: datetime | None = hours.aggregate(first=Min("starts_at"))["first"]
    if hour is None:
        return None
    # Rows are indexed by key and time. Within one hour, the old secret's traffic is bounded.
    uses = Use.objects.filter(key_id=secret.key_id, at__gte=hour, at__lt=hour + timedelta(hours=1))
    return uses.filter(secret_id=secret.pk, denial="").order_by("at").first()
