"""View Activity: the usage of a key, as a page, a dialog and CSV."""

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apikeys.kind import Kind
from apikeys.models import Key, KeyQuerySet
from apikeys.usage import statistics
from apikeys.usage.statistics import Span, Tally, Window
from apikeys.views.secrets_panel import secrets_panel
from apikeys.views.usage_chart import Chart
from config.lib.export import csv_lines
from config.lib.snapshot import one_snapshot
from tenants.access import Access
from tenants.decorators import member_page
from tenants.roles import Permission
from tenants.sign_in.recent import person

LATEST = 10
# Each divides its window's number of columns (24, 7, 30 and 90), so that labels are evenly spaced.
_LABELS = {Window.DAY: 6, Window.WEEK: 7, Window.MONTH: 6, Window.QUARTER: 6}
EXPORTED = ("starts_at", "requests", "ok", "errors", "denied")


@require_safe
@login_required
@one_snapshot()
def public_key_usage(request: HttpRequest, key_id: uuid.UUID) -> HttpResponseBase:
    return _usage(
        request,
        Key.objects.for_owner(person(request)),
        key_id,
        back=f"{reverse('profile')}#api-keys",
    )


@require_safe
@member_page(Permission.READ_AGENTS)
def agent_key_usage(request: HttpRequest, access: Access, key_id: uuid.UUID) -> HttpResponseBase:
    agent_keys = Key.objects.for_organization(access.organization).of_kind(Kind.AGENT)
    return _usage(
        request, agent_keys, key_id, back=reverse("agent_keys", args=[access.organization.slug])
    )


def _usage(
    request: HttpRequest, keys: KeyQuerySet, key_id: uuid.UUID, *, back: str
) -> HttpResponseBase:
    key = get_object_or_404(
        keys.select_related("organization", "owner__user").prefetch_related("secrets"), pk=key_id
    )
    name, at = request.GET.get("range"), timezone.now()
    window = Window(name) if name in Window.values else Window.WEEK
    tally = Tally.of(key, Span.of(window, at))
    if request.GET.get("format") == "csv":
        return _export(key, window, tally)
    context = {
        "key": key,
        "back": back,
        "window": window,
        "windows": Window,
        "is_agent": key.kind == Kind.AGENT,
    }
    figures = _figures(key, tally, window, at)
    panel = secrets_panel(request, key, figures["statistics"].secrets, at)
    return render(request, "apikeys/usage.html", context | figures | {"panel": panel})


def _figures(key: Key, tally: Tally, window: Window, at: datetime) -> dict[str, Any]:
    return {
        "tally": tally,
        "chart": Chart(tally.bars, _LABELS[window]),
        "denials": statistics.ranked(tally.figures.denials),
        "endpoints": statistics.top_endpoints(key, tally.span),
        "statistics": statistics.of_key(key, at),
        "incomplete": statistics.incomplete(tally.span.since),
        "latest": statistics.latest(key, LATEST),
    }


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
