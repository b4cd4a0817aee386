"""A page of keys, with its selection, order and page number taken from the query string."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Case, F, Value, When
from django.db.models.expressions import OrderBy
from django.http import QueryDict

from apikeys import scopes
from apikeys.insights import UNUSED_AFTER, Selection, count_by_selection, select
from apikeys.models import Key, KeyQuerySet, Status
from apikeys.rules import NO_RULES, Broken, Rules, broken, rotation_due
from apikeys.services.callers import Caller
from apikeys.services.rules import rules_of_all
from apikeys.usage import statistics
from apikeys.views.key_filter import KeyFilterForm
from apikeys.views.sparkline import Sparkline
from config.lib.ids import decode
from config.lib.paging import NumberedPage, NumberedPaginator

PER_PAGE = 25
IN_USE_WITHIN = timedelta(days=1)
SHOWN_SCOPES = 2

_ORDERS: dict[str, OrderBy] = {
    "expires": F("expires_at").asc(nulls_last=True),
    "-expires": F("expires_at").desc(nulls_first=True),
    "name": F("name").asc(),
    "-name": F("name").desc(),
    "created": F("pk").asc(),  # ids sort by time of issue
    "-created": F("pk").desc(),
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
class KeyRow:
    """A key as a list shows it at the time `at`, and what the user may do with it."""

    key: Key
    at: datetime
    sparkline: Sparkline | None = None
    may_change: bool = False
    may_end: bool = False
    is_new: bool = False
    rules: Rules = NO_RULES

    @property
    def status(self) -> Status:
        return self.key.status(self.at)

    @property
    def broken(self) -> tuple[Broken, ...]:
        """The key rules that the key breaks. None once it has ended."""
        return () if self.is_over else broken(self.key.facts, self.rules)

    @property
    def rotation_due_at(self) -> datetime | None:
        return None if self.is_over else rotation_due(self.key, self.rules, self.at)

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
        """Whether the key has gone unused for so long that it is probably forgotten."""
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
class SelectionTab:
    selection: Selection
    count: int
    is_current: bool


@dataclass(frozen=True, slots=True)
class ColumnHeader:
    """`sort` is the order its link requests, `direction` its own, or "" if another column sorts."""

    label: str
    sort: str
    direction: str


@dataclass(frozen=True, slots=True)
class Listing:
    at: datetime
    selection: Selection
    sort: str
    counts: dict[Selection, int]
    page: NumberedPage
    days: Mapping[uuid.UUID, Mapping[datetime, int]]
    form: KeyFilterForm
    caller: Caller
    new: uuid.UUID | None = None
    rules: Mapping[uuid.UUID, Rules] = field(default_factory=dict)

    def __iter__(self) -> Iterator[KeyRow]:
        return (self._row(key) for key in self.page)

    @property
    def total(self) -> int:
        return self.counts[Selection.ALL]

    @property
    def tabs(self) -> list[SelectionTab]:
        """Rare states (paused, owner inactive) get a tab only if such keys exist."""
        shown = (
            s for s in Selection if s in _ALWAYS_SHOWN or self.counts[s] or s is self.selection
        )
        return [
            SelectionTab(selection, self.counts[selection], selection is self.selection)
            for selection in shown
        ]

    @property
    def columns(self) -> dict[str, ColumnHeader]:
        return {name: self._column(name, label) for name, label in _LABELS.items()}

    @property
    def is_empty(self) -> bool:
        """Whether there are no keys at all, not only none that match."""
        return not self.total and not self.form.is_filtering

    @property
    def is_selectable(self) -> bool:
        """Whether the user may end a key of this page."""
        return any(row.may_end and not row.key.revoked_at for row in self)

    @property
    def has_sparklines(self) -> bool:
        return any(count for days in self.days.values() for count in days.values())

    def _row(self, key: Key) -> KeyRow:
        return KeyRow(
            key,
            self.at,
            self._sparkline(key),
            may_change=self.caller.may_change(key),
            may_end=self.caller.may_change(key, to_end=True),
            is_new=key.pk == self.new,
            rules=self.rules.get(key.organization_id, NO_RULES),
        )

    def _sparkline(self, key: Key) -> Sparkline | None:
        days = self.days[key.pk]
        return Sparkline(days) if any(days.values()) else None

    def _column(self, name: str, label: str) -> ColumnHeader:
        directions = {name: "ascending", f"-{name}": "descending"}
        return ColumnHeader(
            label, f"-{name}" if self.sort == name else name, directions.get(self.sort, "")
        )


_LABELS = {"name": "Name", "created": "Created", "used": "Last Used", "expires": "Expires"}


def list_keys(
    keys: KeyQuerySet,
    query: QueryDict,
    at: datetime,
    *,
    caller: Caller,
    owners: Sequence[tuple[str, str]] = (),
) -> Listing:
    """List keys by the filters, `status`, `sort` and `page` of a query string.

    Invalid values mean the default. A key named by `new` comes first.
    """
    form = KeyFilterForm(query, owners=owners)
    found, new = form.wanted.of(keys, at), _new(query)
    selection, sort = selection_of(query), query.get("sort", "")
    counts = count_by_selection(found, at)
    order = _ORDERS.get(sort, _ORDERS["expires"])
    chosen = select(found, selection, at).order_by(*_first(new), order, "name", "pk")
    paginator = NumberedPaginator(
        chosen.select_related("organization", "owner__user").prefetch_related("secrets"), PER_PAGE
    )
    paginator.count = counts[selection]  # counted above; the paginator would count again
    page = paginator.get_page(query.get("page"))
    assert isinstance(page, NumberedPage)  # noqa: S101  for mypy
    sort = sort if sort in _ORDERS else "expires"
    days = statistics.by_day(page, at)
    rules = rules_of_all({key.organization_id for key in page})
    return Listing(at, selection, sort, counts, page, days, form, caller, new, rules)


def selection_of(query: QueryDict) -> Selection:
    status = query.get("status", "")
    return Selection(status) if status in Selection.values else Selection.ACTIVE


def _new(query: QueryDict) -> uuid.UUID | None:
    try:
        return decode("key", query.get("new", ""))
    except ValueError:
        return None


def _first(new: uuid.UUID | None) -> list[OrderBy]:
    return [Case(When(pk=new, then=Value(0)), default=Value(1)).asc()] if new else []
