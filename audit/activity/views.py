"""The Database activity pages: the filtered list and one event."""

import json
import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.activity import queries
from audit.activity.forms import ActivityForm
from audit.activity.queries import ActivityFilter
from config.lib.environment import Environment
from config.lib.errors import KeywayError
from config.lib.export import rfc3339
from config.lib.snapshot import one_snapshot
from tenants.access import Access
from tenants.decorators import member_page
from tenants.roles import Permission

PAGE_SIZE = 50


@require_safe
# A search that runs into its time limit aborts its transaction: the page around it is read outside.
@member_page(Permission.READ_ACTIVITY, in_snapshot=False)
def activity_page(request: HttpRequest, access: Access) -> HttpResponse:
    form = ActivityForm(request.GET)
    context: dict[str, Any] = {
        "organization": access.organization,
        "form": form,
        "environment": _environment(request),
    }
    if form.is_valid():
        try:
            with one_snapshot():
                context |= _results(access.organization.pk, form)
        except KeywayError as error:
            context["refusal"] = error
    return render(request, "audit/activity.html", context)


@require_safe
@member_page(Permission.READ_ACTIVITY)
def activity_event(request: HttpRequest, access: Access, event_id: uuid.UUID) -> HttpResponse:
    environment = _environment(request)
    event = queries.find(access.organization.pk, environment, event_id)
    if event is None:
        raise Http404
    raw = json.dumps(queries.row(event), indent=2, ensure_ascii=False)
    context = {
        "organization": access.organization,
        "event": event,
        "environment": environment,
        "raw": raw,
    }
    return render(request, "audit/activity_event.html", context)


def _environment(request: HttpRequest) -> Environment:
    return (
        Environment.TEST if request.GET.get("environment") == Environment.TEST else Environment.LIVE
    )


def _results(organization_id: uuid.UUID, form: ActivityForm) -> dict[str, Any]:
    """Run the query. Raises InvalidCursor, QueryTooBroad."""
    environment, cursor = form.cleaned_data["environment"], form.cleaned_data["cursor"]
    page = queries.page(organization_id, environment, form.wanted, limit=PAGE_SIZE, cursor=cursor)
    everything = queries.matching(organization_id, environment, ActivityFilter())
    return {
        "page": page,
        "at": rfc3339(form.cleaned_data["at"]) if form.cleaned_data["span"] else None,
        "is_blank": not page.events and not everything.exists(),
    }
