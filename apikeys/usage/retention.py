"""Remove usage past its retention, one slice per transaction.

Days and all-time counts are kept for good.
"""

from datetime import datetime, timedelta

from apikeys.usage.models import Period, RetiredUse, UnprovenCount, Use, UseCount

SLICE = 5000
_AT_ONCE = timedelta(hours=1)


def prune(*, before: datetime) -> None:
    while _prune_uses(before):
        pass
    RetiredUse.objects.filter(at__lt=before).delete()
    hours = UseCount.objects.filter(period=Period.HOUR)
    while (
        oldest := hours.filter(starts_at__lt=before)
        .order_by("starts_at")
        .values_list("starts_at", flat=True)
        .first()
    ):
        hours.filter(starts_at=oldest).delete()
    unproven = UnprovenCount.objects.order_by("minute")
    while oldest := unproven.filter(minute__lt=before).values_list("minute", flat=True).first():
        UnprovenCount.objects.filter(minute__lt=min(oldest + _AT_ONCE, before)).delete()


def _prune_uses(before: datetime) -> int:
    """Remove one slice of the lowest ids, and return the number of rows removed.

    Ids follow the order of draining, so an old row that was drained late is removed later.
    """
    oldest = Use.objects.order_by("pk").values_list("pk", flat=True)[:SLICE]
    last = max(oldest, default=0)
    return Use.objects.filter(pk__lte=last, at__lt=before).delete()[0]
