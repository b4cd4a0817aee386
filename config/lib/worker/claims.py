"""Claims on duties. All times are the database's, because the clocks of hosts differ."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from config.lib.worker import duties
from config.lib.worker.models import Duty

FORGOTTEN_AFTER = timedelta(days=1)
MOST_ERROR = 500


@dataclass(frozen=True, slots=True)
class DutyStatus:
    """A duty's row, and the database's time when it was read."""

    duty: Duty
    now: datetime

    @property
    def late(self) -> timedelta:
        return max(self.now - self.duty.due_at, timedelta())

    @property
    def is_claimed(self) -> bool:
        return self.duty.claimed_until is not None and self.duty.claimed_until > self.now

    @property
    def claimable_in(self) -> timedelta:
        until = self.duty.claimed_until or self.now
        return max(self.duty.due_at - self.now, until - self.now, timedelta())


def standings(names: Collection[str] | None = None) -> list[DutyStatus]:
    rows = Duty.objects.annotate(now=Now()).order_by("name")
    if names is not None:
        rows = rows.filter(name__in=names)
    return [DutyStatus(row, row.now) for row in rows]


def ensure(names: Collection[str]) -> None:
    """Add the rows that are missing, due at once."""
    known = set(Duty.objects.filter(name__in=names).values_list("name", flat=True))
    for name in set(names) - known:
        Duty.objects.bulk_create([Duty(name=name, due_at=Now())], ignore_conflicts=True)


@transaction.atomic
def claim(lasts: Mapping[str, timedelta], *, by: str, even_if_not_due: bool = False) -> list[Duty]:
    """Claim the named duties that are due and unclaimed, each for as long as `lasts` says.

    SKIP LOCKED, because a worker whose host is lost in the middle of a claim holds the row's lock
    until its connection times out, and the others must not queue behind it. On SQLite the
    transaction is the only writer.
    """
    rows = _unclaimed().filter(name__in=lasts)
    if not even_if_not_due:
        rows = rows.filter(due_at__lte=Now())
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    claimed = list(rows)
    for duty in claimed:
        Duty.objects.filter(pk=duty.pk).update(
            claimed_by=by, claimed_until=Now() + lasts[duty.name], started_at=Now()
        )
    return claimed


def renew(name: str, *, by: str, lasts: timedelta) -> bool:
    """Renew a claim. Return False if another worker has taken the duty over."""
    return _change(name, by, claimed_until=Now() + lasts)


def keep(name: str, *, by: str, lasts: timedelta, due_in: timedelta) -> bool:
    """Record a success and keep the claim. Return False if another worker took the duty over."""
    return _change(
        name,
        by,
        claimed_until=Now() + lasts,
        due_at=Now() + due_in,
        finished_at=Now(),
        error="",
        failures=0,
    )


def finish(name: str, *, by: str, due_in: timedelta) -> bool:
    """Record a success and release the claim."""
    return _change(
        name, by, **_RELEASED, due_at=Now() + due_in, finished_at=Now(), error="", failures=0
    )


def fail(name: str, *, by: str, due_in: timedelta, error: str) -> bool:
    """Record a failure and release the claim, so that a worker on a healthier host can try next."""
    return _change(
        name,
        by,
        **_RELEASED,
        due_at=Now() + due_in,
        error=error[:MOST_ERROR],
        failures=F("failures") + 1,
    )


def release(name: str, *, by: str) -> bool:
    """Give back a kept claim. The duty is due at once for any other worker."""
    return _change(name, by, **_RELEASED, due_at=Now())


def prune() -> None:
    """Remove duties that no worker has run for a day: their host is gone, or they were renamed.

    Otherwise their lag would grow for ever. The duties of this process stay, however late they are
    after an outage, because it is about to run them.
    """
    ours = [registration.row_name for registration in duties.registered()]
    gone = _unclaimed().filter(due_at__lt=Now() - FORGOTTEN_AFTER).exclude(name__in=ours)
    gone.delete()


_RELEASED = {"claimed_until": None, "claimed_by": ""}


def _unclaimed() -> QuerySet[Duty]:
    return Duty.objects.filter(Q(claimed_until=None) | Q(claimed_until__lte=Now()))


def _change(name: str, by: str, **values: object) -> bool:
    """Change the row unless another worker has claimed it. An expired claim is still ours."""
    return bool(Duty.objects.filter(name=name, claimed_by=by).update(**values))
