"""A list of keys as a page shows it: one selection, one order, one page, all of it in the query string."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.paginator import Page, Paginator
from django.db.models import F
from django.db.models.expressions import OrderBy
from django.http import QueryDict

from apikeys import scopes
from apikeys.insights import Selection, count_by_selection, select
from apikeys.models import Key, KeyQuerySet, Status
from apikeys.usage import statistics
from apikeys.views.sparkline import Sparkline

PER_PAGE = 25
IN_USE_WITHIN = timedelta(days=1)
UNUSED_AFTER = timedelta(days=90)
SHOWN_SCOPES = 2

_ORDERS: dict[str, OrderBy] = {
    "expires": F("expires_at").asc(nulls_last=True),
    "-expires": F("expires_at").desc(nulls_first=True),
    "name": F("name").asc(),
    "-name": F("name").desc(),
    "used": F("last_used_at").asc(nulls_first=True),
    "-used": F("last_used_at").desc(nulls_last=True),
}
_ALWAYS_SHOWN = (
    Selection.ACTIVE,
    Selection.EXPIRING,
    Selection.EXPIRED,
    Selection.REVOKED,
    Selection.ALL,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One key, and what is to be said of it at this moment."""

    key: Key
    at: datetime
    sparkline: Sparkline | None = None

    @property
    def status(self) -> Status:
        return self.key.status(self.at)

    @property
    def is_over(self) -> bool:
        return self.status in {Status.REVOKED, Status.EXPIRED}

    @property
    def can_pause(self) -> bool:
        return self.status in {Status.ACTIVE, Status.EXPIRING}

    @property
    def can_resume(self) -> bool:
        return bool(self.key.paused_at) and not self.is_over

    @property
    def is_in_use(self) -> bool:
        return bool(self.key.last_used_at and self.key.last_used_at > self.at - IN_USE_WITHIN)

    @property
    def is_unused(self) -> bool:
        """Not used for so long that it may be forgotten."""
        return (self.key.last_used_at or self.key.created_at) < self.at - UNUSED_AFTER

    @property
    def scopes(self) -> list[str]:
        return sorted(self.key.granted_scopes)

    @property
    def shown_scopes(self) -> list[str]:
        return scopes.titles(self.scopes[:SHOWN_SCOPES])

    @property
    def more_scopes(self) -> int:
        return max(len(self.scopes) - SHOWN_SCOPES, 0)


@dataclass(frozen=True, slots=True)
class Tab:
    selection: Selection
    count: int
    is_current: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A column's header: `sort` is what its link asks for, `direction` the one it has now ("" when another column sorts)."""

    label: str
    sort: str
    direction: str


@dataclass(frozen=True, slots=True)
class Listing:
    at: datetime
    selection: Selection
    sort: str
    counts: dict[Selection, int]
    page: Page[Key]
    days: Mapping[uuid.UUID, Mapping[datetime, int]]

    def __iter__(self) -> Iterator[Row]:
        return (Row(key, self.at, self._sparkline(key)) for key in self.page)

    @property
    def total(self) -> int:
        return self.counts[Selection.ALL]

    @property
    def tabs(self) -> list[Tab]:
        """Paused and ownerless keys are rare: they have a tab when there are some."""
        shown = (
            s for s in Selection if s in _ALWAYS_SHOWN or self.counts[s] or s is self.selection
        )
        return [
            Tab(selection, self.counts[selection], selection is self.selection)
            for selection in shown
        ]

    @property
    def columns(self) -> dict[str, Column]:
        return {name: self._column(name, label) for name, label in _LABELS.items()}

    @property
    def has_sparklines(self) -> bool:
        return any(count for days in self.days.values() for count in days.values())

    def _sparkline(self, key: Key) -> Sparkline | None:
        days = self.days[key.pk]
        return Sparkline(days) if any(days.values()) else None

    def _column(self, name: str, label: str) -> Column:
        directions = {name: "ascending", f"-{name}": "descending"}
        return Column(
            label, f"-{name}" if self.sort == name else name, directions.get(self.sort, "")
        )


_LABELS = {"name": "Label", "used": "Last used", "expires": "Expires"}


def list_keys(keys: KeyQuerySet, asked: QueryDict, at: datetime) -> Listing:
    """Read `status`, `sort` and `page` from a query string; what it does not make sense of is as if it were not there."""
    status, sort = asked.get("status", ""), asked.get("sort", "")
    selection = Selection(status) if status in Selection.values else Selection.ACTIVE
    order = _ORDERS.get(sort, _ORDERS["expires"])
    chosen = select(keys, selection, at).order_by(order, "name", "pk").prefetch_related("secrets")
    page = Paginator(chosen.select_related("organization", "owner__user"), PER_PAGE).get_page(
        asked.get("page")
    )
    sort = sort if sort in _ORDERS else "expires"
    return Listing(
        at, selection, sort, count_by_selection(keys, at), page, statistics.by_day(page, at)
    )
