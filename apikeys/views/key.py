"""The page of a key: what it is, what it may do, how it is used and what was done with it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apikeys import scopes
from apikeys.hand_over import HandOver
from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.services.callers import Caller
from apikeys.services.change import authority_of_owner
from apikeys.usage import statistics
from apikeys.usage.statistics import Window
from apikeys.views.door import key_page
from apikeys.views.hand_over import may_accept
from apikeys.views.listing import KeyRow
from apikeys.views.usage import LATEST, chart_of, is_behind_gateway
from audit import trail
from audit.trail.actions import Action
from audit.trail.models import TrailEntry
from audit.trail.wording import Line, describe
from config.lib.limits import conf as limits
from config.lib.rates import Rate
from tenants.roles import Permission

MOST_ENTRIES = 20


@require_safe
@key_page()
def show_key(request: HttpRequest, caller: Caller, key: Key) -> HttpResponse:
    now = timezone.now()
    prefetch_related_objects([key], "secrets")
    entries = _entries_about(caller, key)
    context = {
        "key": key,
        "row": KeyRow(key, now),
        "now": now,
        "actions": _actions(caller, key, now),
        "scopes": granted(key),
        "rates": [words(rate) for rate in _rates()],
        "changes": None if entries is None else _changes(entries[: MOST_ENTRIES + 1]),
        "most_entries": MOST_ENTRIES,
        "revocation": _revocation(entries) if key.revoked_at else None,
        **_hand_over(caller, key, now),
        "reads_trail": caller.may_in(key.organization_id, Permission.READ_TRAIL),
    }
    return render(request, "apikeys/key.html", context | _usage(key, now))


def _actions(caller: Caller, key: Key, at: datetime) -> dict[str, bool]:
    """Which actions the user may take. Each page checks again."""
    row, may_change = KeyRow(key, at), caller.may_change(key)
    return {
        "edit": may_change and not row.is_over,
        "pause": may_change and row.can_pause,
        "resume": may_change and row.can_resume,
        "hand_over": may_change and not row.is_over and key.kind == Kind.PUBLIC,
        "revoke": not key.revoked_at and caller.may_change(key, to_end=True),
    }


def _hand_over(caller: Caller, key: Key, at: datetime) -> dict[str, Any]:
    offers = HandOver.objects.filter(key=key).waiting(at)
    offer = offers.select_related("organization", "receiver__user", "offered_by").first()
    return {"hand_over": offer, "may_accept": offer is not None and may_accept(caller, offer)}


@dataclass(frozen=True, slots=True)
class GrantedScope:
    """A scope of the key. `is_held` says whether its owner's present role has it."""

    name: str
    title: str
    is_held: bool


def granted(key: Key) -> list[GrantedScope]:
    names = sorted(key.granted_scopes)
    is_public = key.kind == Kind.PUBLIC
    held = authority_of_owner(key.owner).scopes if is_public else key.granted_scopes
    return [
        GrantedScope(name, title, name in held)
        for name, title in zip(names, scopes.titles(names), strict=True)
    ]


def _rates() -> list[tuple[str, Rate | None]]:
    rates = limits.limits()
    return [("This key", rates["key"]), ("All keys of the organization", rates["organization"])]


_PERIODS = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}


def words(named: tuple[str, Rate | None]) -> tuple[str, str]:
    """Say a rate in words: 6,000 requests per minute."""
    name, rate = named
    if rate is None:
        return name, "No limit"
    period = _PERIODS.get(rate.seconds, f"{rate.seconds:,} seconds")
    return name, f"{rate.quota:,} requests per {period}"


def _usage(key: Key, at: datetime) -> dict[str, Any]:
    figures = statistics.of_key(key, at)
    tally = {"figures": figures.month, "bars": figures.daily}
    return {
        "statistics": figures,
        "tally": tally,
        "window": Window.MONTH,
        "chart": chart_of(figures.daily, Window.MONTH),
        "incomplete": figures.incomplete,
        "is_behind_gateway": is_behind_gateway(figures.endpoints),
        "latest": statistics.latest(key, LATEST),
    }


def _entries_about(caller: Caller, key: Key) -> QuerySet[TrailEntry] | None:
    """Return the trail's entries about this key, or None for users who cannot read them.

    Owners read those of their own keys, whatever their role.
    """
    if not (caller.owns(key) or caller.may_in(key.organization_id, Permission.READ_TRAIL)):
        return None
    return trail.entries_of(key.organization_id).filter(target_kind="key", target_id=key.public_id)


def _changes(entries: QuerySet[TrailEntry]) -> Sequence[tuple[TrailEntry, list[Line]]]:
    return [(entry, describe(json.loads(entry.body)["data"])) for entry in entries]


def _revocation(entries: QuerySet[TrailEntry] | None) -> TrailEntry | None:
    return None if entries is None else entries.filter(action=Action.KEY_REVOKED).first()
