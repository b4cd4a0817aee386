"""Statistics of a key's use.

Counts are read from roll-ups only, so their cost does not grow with the number of requests. Days
begin at midnight UTC. The last 24 hours are the current hour and the 23 before it. The last 7 days
are today and the six days before.
"""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import starmap
from typing import NamedTuple, Self

from django.db.models import Q, QuerySet, Sum, TextChoices

from apikeys.models import Key, Secret
from apikeys.usage.models import EPOCH, Period, UsageGap, Use, UseCount

MOST_ENDPOINTS_SHOWN = 10
_ERRORS = ("client_error", "server_error")


class Window(TextChoices):
    DAY = "24h", "24 hours"
    WEEK = "7d", "7 days"
    MONTH = "30d", "30 days"
    QUARTER = "90d", "90 days"


_DAYS = {Window.WEEK: 7, Window.MONTH: 30, Window.QUARTER: 90}


@dataclass(frozen=True, slots=True)
class Span:
    """A range of whole hours or days, or all time. `until` is the start of the last hour or day."""

    period: Period
    since: datetime
    until: datetime

    @classmethod
    def of(cls, window: Window, at: datetime) -> Self:
        hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if window is Window.DAY:
            return cls(Period.HOUR, hour - timedelta(hours=23), hour)
        today = hour.replace(hour=0)
        return cls(Period.DAY, today - timedelta(days=_DAYS[window] - 1), today)

    @property
    def step(self) -> timedelta:
        return timedelta(hours=1) if self.period is Period.HOUR else timedelta(days=1)

    @property
    def starts(self) -> list[datetime]:
        return [
            self.since + number * self.step
            for number in range((self.until - self.since) // self.step + 1)
        ]

    def counts(self, *keys: Key) -> QuerySet[UseCount]:
        within = {"starts_at__gte": self.since, "starts_at__lte": self.until}
        return UseCount.objects.filter(
            key_id__in=[key.pk for key in keys], period=self.period, **within
        ).order_by()


EVER = Span(Period.EVER, EPOCH, EPOCH)


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """Requests by outcome: answered, failed in the API, or denied for their key, by reason."""

    ok: int = 0
    errors: int = 0
    denials: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, outcomes: Counter[str]) -> Self:
        denials = Counter(
            {name: requests for name, requests in outcomes.items() if name not in ("ok", *_ERRORS)}
        )
        return cls(outcomes["ok"], sum(outcomes[name] for name in _ERRORS), denials)

    @property
    def denied(self) -> int:
        return self.denials.total()

    @property
    def requests(self) -> int:
        return self.ok + self.errors + self.denied

    @property
    def error_count(self) -> int:
        """Responses with a status of 400 or above, denials included."""
        return self.errors + self.denied

    @property
    def error_rate(self) -> float:
        """In percent, to two decimals."""
        return round(100 * self.error_count / self.requests, 2) if self.requests else 0.0


class Bar(NamedTuple):
    starts_at: datetime
    figures: OutcomeCounts

    @property
    def date(self) -> date:
        return self.starts_at.date()


class EndpointUse(NamedTuple):
    endpoint: str
    requests: int


class DenialCount(NamedTuple):
    reason: str
    requests: int


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of one key in a span, read in one query."""

    span: Span
    rows: list[tuple[datetime, str, uuid.UUID, int]]

    @classmethod
    def of(cls, key: Key, span: Span) -> Self:
        grouped = (
            span.counts(key)
            .values_list("starts_at", "outcome", "secret_id")
            .annotate(total=Sum("requests"))
        )
        return cls(span, list(grouped))

    @property
    def figures(self) -> OutcomeCounts:
        return self.since(self.span.since)

    def since(self, moment: datetime) -> OutcomeCounts:
        return _figures(
            (outcome, requests)
            for starts_at, outcome, _, requests in self.rows
            if starts_at >= moment
        )

    @property
    def bars(self) -> list[Bar]:
        by_start: dict[datetime, Counter[str]] = {start: Counter() for start in self.span.starts}
        for starts_at, outcome, _, requests in self.rows:
            by_start[starts_at][outcome] += requests
        return [
            Bar(starts_at, OutcomeCounts.of(outcomes)) for starts_at, outcomes in by_start.items()
        ]

    @property
    def by_secret(self) -> Counter[uuid.UUID]:
        counts: Counter[uuid.UUID] = Counter()
        for _, _, secret, requests in self.rows:
            counts[secret] += requests
        return counts


@dataclass(frozen=True, slots=True)
class SecretUse:
    """Requests with one of a key's secrets.

    After a rotation, those with the old one should fall to zero.
    """

    secret: Secret
    requests: int
    last_24h: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """The statistics of a key, for the page and the API.

    `incomplete` lists when requests went unrecorded.
    """

    ever: OutcomeCounts
    day: OutcomeCounts
    week: OutcomeCounts
    month: OutcomeCounts
    daily: list[Bar]
    endpoints: list[EndpointUse]
    secrets: list[SecretUse]
    incomplete: list[UsageGap]

    @property
    def newest_days(self) -> list[Bar]:
        return self.daily[::-1]

    @property
    def denials(self) -> list[DenialCount]:
        return ranked(self.ever.denials)


def of_key(key: Key, at: datetime) -> Statistics:
    ever, hours, days = (
        Tally.of(key, span) for span in (EVER, Span.of(Window.DAY, at), Span.of(Window.MONTH, at))
    )
    return Statistics(
        ever=ever.figures,
        day=hours.figures,
        week=days.since(Span.of(Window.WEEK, at).since),
        month=days.figures,
        daily=days.bars,
        endpoints=top_endpoints(key, EVER),
        secrets=by_secret(key, ever, hours),
        incomplete=incomplete(EPOCH),
    )


def by_day(keys: Iterable[Key], at: datetime) -> dict[uuid.UUID, dict[datetime, int]]:
    """Return each key's requests on each of the last 30 days, denials included, in one query."""
    keys, span = list(keys), Span.of(Window.MONTH, at)
    found = {key.pk: dict.fromkeys(span.starts, 0) for key in keys}
    for key, starts_at, requests in (
        span.counts(*keys).values_list("key_id", "starts_at").annotate(total=Sum("requests"))
    ):
        found[key][starts_at] = requests
    return found


def top_endpoints(key: Key, span: Span) -> list[EndpointUse]:
    counted = span.counts(key).values_list("method", "route").annotate(total=Sum("requests"))
    top = counted.order_by("-total", "route", "method")[:MOST_ENDPOINTS_SHOWN]
    return [EndpointUse(f"{method} {route}", requests) for method, route, requests in top]


def ranked(denials: Counter[str]) -> list[DenialCount]:
    """Return the denials by reason, most frequent first."""
    return sorted(
        starmap(DenialCount, denials.items()), key=lambda denial: (-denial.requests, denial.reason)
    )


def by_secret(key: Key, tally: Tally, hours: Tally) -> list[SecretUse]:
    """Return the use of each of the key's secrets, newest secret first."""
    requests, last_24h = tally.by_secret, hours.by_secret
    secrets = sorted(key.secrets.all(), key=lambda secret: secret.created_at, reverse=True)
    return [SecretUse(secret, requests[secret.pk], last_24h[secret.pk]) for secret in secrets]


def latest(key: Key, count: int) -> list[Use]:
    """Return the newest requests, denials included."""
    return list(Use.objects.filter(key_id=key.pk).order_by("-at")[:count])


def incomplete(since: datetime) -> list[UsageGap]:
    """Return when requests went unrecorded since then. Which keys they used is not known."""
    lost = Q(served__gt=0) | Q(unreadable__gt=0)
    return list(UsageGap.objects.filter(lost, until__gte=since).order_by("since"))


def _figures(outcomes: Iterable[tuple[str, int]]) -> OutcomeCounts:
    counts: Counter[str] = Counter()
    for outcome, requests in outcomes:
        counts[outcome] += requests
    return OutcomeCounts.of(counts)
