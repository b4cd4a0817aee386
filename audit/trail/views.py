"""The Audit log page: the trail of one organization, filtered, paged and exported."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit import trail
from audit.trail.actions import Action
from audit.trail.forms import TrailForm
from audit.trail.models import TrailEntry, TrailHead
from audit.trail.wording import Line, describe
from config.lib.export import csv_lines, ndjson_lines
from config.lib.snapshot import one_snapshot
from tenants.access import Access
from tenants.decorators import member_page
from tenants.roles import Permission

PAGE_SIZE = 50
EXPORT_CHUNK = 1000
# `body` holds the exact bytes that were hashed, so an export can be verified without Keyway.
EXPORTED = (
    "sequence", "occurred_at", "action", "actor_kind", "actor_id", "actor_name", "address",
    "target_kind", "target_id", "target_name", "data", "id", "previous_hash", "hash", "body",
)  # fmt: skip

Lines = Callable[[Iterable[Mapping[str, Any]], Sequence[str]], Iterator[str]]
FORMATS: dict[str, tuple[str, Lines]] = {
    "csv": ("text/csv; charset=utf-8", csv_lines),
    "ndjson": ("application/x-ndjson", ndjson_lines),
}


@require_safe
@member_page(Permission.READ_TRAIL, in_snapshot=False)  # an export is recorded
def audit_log(request: HttpRequest, access: Access) -> HttpResponseBase:
    form = TrailForm(request.GET)
    if form.is_valid() and request.GET.get("format") in FORMATS:
        return _export(access, form, request.GET["format"])
    with one_snapshot():
        return _page(request, access, form)


def _page(request: HttpRequest, access: Access, form: TrailForm) -> HttpResponse:
    organization = access.organization
    context = {
        "organization": organization,
        "form": form,
        "head": TrailHead.objects.filter(pk=organization.pk).first(),
    }
    if form.is_valid():
        matching = trail.entries_of(organization.pk, **form.wanted)
        page = TrailPage.of(
            matching, before=form.cleaned_data["before"], after=form.cleaned_data["after"]
        )
        context |= {
            "page": page,
            "rows": [_row(entry) for entry in page.entries],
        }
    return render(request, "audit/audit_log.html", context)


def _row(entry: TrailEntry) -> tuple[TrailEntry, str, list[Line]]:
    body = json.loads(entry.body)
    return entry, body["address"], describe(body["data"])


@dataclass(frozen=True, slots=True)
class TrailPage:
    """`older` and `newer` are the sequence numbers to continue from, None at either end."""

    entries: Sequence[TrailEntry]
    older: int | None
    newer: int | None

    @classmethod
    def of(
        cls, matching: QuerySet[TrailEntry], *, before: int | None, after: int | None
    ) -> "TrailPage":
        """Build one page. Entries are only added, so following `older` shows each exactly once."""
        if after is not None:
            nearest = list(
                matching.filter(sequence__gt=after).order_by("sequence")[: PAGE_SIZE + 1]
            )
            if len(nearest) > PAGE_SIZE:
                shown = nearest[PAGE_SIZE - 1 :: -1]
                return cls(shown, older=shown[-1].sequence, newer=shown[0].sequence)
            # Fewer newer entries than a page holds, so this is the first page. Show it in full.
            before = None
        found = list(
            (matching.filter(sequence__lt=before) if before else matching)[: PAGE_SIZE + 1]
        )
        shown = found[:PAGE_SIZE]
        return cls(
            shown,
            older=shown[-1].sequence if len(found) > PAGE_SIZE else None,
            newer=shown[0].sequence if before and shown else None,
        )


def _export(access: Access, form: TrailForm, name: str) -> StreamingHttpResponse:
    """Record the export, then stream the entries before that record.

    Recording comes first, so closing the connection early does not leave an unrecorded copy.
    """
    wanted = form.wanted
    content_type, lines = FORMATS[name]
    filters = {
        key: value if isinstance(value, str) else value.isoformat() for key, value in wanted.items()
    }
    with transaction.atomic():
        entry = trail.record(
            Action.TRAIL_EXPORTED,
            organization=access.organization.pk,
            by=access.actor,
            target=access.organization.as_target(),
            data={"format": name, "filter": filters},
        )
    matching = trail.entries_of(access.organization.pk, **wanted).filter(
        sequence__lt=entry.sequence
    )
    rows = (_export_row(row, name) for row in _in_chunks(matching))
    response = StreamingHttpResponse(lines(rows, EXPORTED), content_type=content_type)
    response.headers["Content-Disposition"] = (
        f'attachment; filename="{access.organization.slug}-audit-log.{name}"'
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _in_chunks(matching: QuerySet[TrailEntry]) -> Iterator[TrailEntry]:
    """Yield entries from one statement per chunk.

    A slow client then holds no cursor open, and no statement runs into its time limit.
    """
    chunk = list(matching[:EXPORT_CHUNK])
    while chunk:
        yield from chunk
        chunk = list(matching.filter(sequence__lt=chunk[-1].sequence)[:EXPORT_CHUNK])


def _export_row(entry: TrailEntry, name: str) -> dict[str, Any]:
    body = json.loads(entry.body)
    fields = {
        field: getattr(entry, field) for field in EXPORTED if field not in ("address", "data")
    }
    data: Any = body["data"] if name == "ndjson" else json.dumps(body["data"], ensure_ascii=False)
    return fields | {"address": body["address"], "data": data}
