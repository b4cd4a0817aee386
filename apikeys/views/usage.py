"""View Activity: the usage of a key, as a page, a dialog and CSV."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.views.decorators.http import require_safe

from apikeys.models import Key
from apikeys.services.callers import Caller
from apikeys.usage import statistics
from apikeys.usage.endpoints import OTHER
from apikeys.usage.statistics import Bar, EndpointUse, Span, Tally, Window
from apikeys.verify import gateway
from apikeys.views.came_from import return_page
from apikeys.views.door import key_page
from apikeys.views.usage_chart import Chart
from config.lib.export import csv_lines

LATEST = 10
# Each divides its window's number of columns (24, 7, 30 and 90), so that labels are evenly spaced.
_LABELS = {Window.DAY: 6, Window.WEEK: 7, Window.MONTH: 6, Window.QUARTER: 6}
EXPORTED = ("starts_at", "requests", "ok", "errors", "denied")


@require_safe
@key_page()
def key_usage(request: HttpRequest, caller: Caller, key: Key) -> HttpResponseBase:
    prefetch_related_objects([key], "secrets")
    name, at = request.GET.get("range"), timezone.now()
    window = Window(name) if name in Window.values else Window.WEEK
    tally = Tally.of(key, Span.of(window, at))
    if request.GET.get("format") == "csv":
        return _export(key, window, tally)
    context = {
        "key": key,
        "back": return_page(request, key),
        "window": window,
        "windows": Window,
    }
    return render(request, "apikeys/usage.html", context | _figures(key, tally, window, at))


def _figures(key: Key, tally: Tally, window: Window, at: datetime) -> dict[str, Any]:
    totals = statistics.of_key(key, at)
    return {
        "now": at,
        "tally": tally,
        "chart": chart_of(tally.bars, window),
        "denials": statistics.ranked(tally.figures.denials),
        "endpoints": statistics.top_endpoints(key, tally.span),
        "statistics": totals,
        "is_behind_gateway": is_behind_gateway(totals.endpoints),
        "incomplete": statistics.incomplete(tally.span.since),
        "latest": statistics.latest(key, LATEST),
    }


def chart_of(bars: Sequence[Bar], window: Window) -> Chart:
    return Chart(bars, _LABELS[window])


def is_behind_gateway(endpoints: Iterable[EndpointUse]) -> bool:
    """Whether a proxy asked Keyway about some of these requests.

    Those are recorded with the path of the proxied service. Keyway's own are recorded with the
    pattern of their route, or with no route if they reached none.
    """
    return any(not _is_keyways(each.endpoint.partition(" ")[2]) for each in endpoints)


def _is_keyways(route: str) -> bool:
    if route == gateway.ROUTE or "/<id>" in route:
        return False
    if route in ("", OTHER) or "<" in route:
        return True
    try:
        resolve(route)
    except Resolver404:
        return False
    return True


def _export(key: Key, window: Window, tally: Tally) -> StreamingHttpResponse:
    response = StreamingHttpResponse(
        csv_lines(_rows(tally), EXPORTED), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = (
        f'attachment; filename="usage-{key.public_id}-{window.value}.csv"'
    )
    response["Cache-Control"] = "no-store"
    return response


def _rows(tally: Tally) -> Iterator[Mapping[str, Any]]:
    for starts_at, figures in tally.bars:
        yield {
            "starts_at": starts_at,
            "requests": figures.requests,
            "ok": figures.ok,
            "errors": figures.errors,
            "denied": figures.denied,
        }
