"""Requests for live keys: list, show, approve, refuse and collect."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apikeys import scopes, services
from apikeys.errors import AlreadyIssued
from apikeys.models import KeyRequest
from apikeys.rules.approval import MOST_REASON, KeyRequestQuerySet, RequestStatus
from apikeys.services.approve import may_answer, requests_seen_by
from apikeys.services.callers import Caller
from apikeys.verify import throttling
from apikeys.views.forms import NonceForm
from apikeys.views.one_time import already_created, reveal
from config.lib.errors import KeywayError
from tenants.access import Access
from tenants.decorators import member_page
from tenants.forms import LineField
from tenants.roles import Permission
from tenants.sign_in.recent import kept_fields, recent_sign_in

PER_PAGE = 25
# Every member may have requests: the list shows each the rows that they may see.
_MEMBERS = Permission.READ_ACTIVITY
_APPROVERS = Permission.ISSUE_ORGANIZATION_KEYS


class RefusalForm(forms.Form):
    reason = LineField(
        max_length=MOST_REASON,
        help_text="The requester sees it, and the audit log keeps it.",
        error_messages={"required": "Enter a reason."},
    )


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request as a page shows it to the person of `access` at the time `at`."""

    request: KeyRequest
    access: Access
    at: datetime

    @property
    def status(self) -> RequestStatus:
        return self.request.status(self.at)

    @property
    def scopes(self) -> list[str]:
        return scopes.titles(self.request.scopes)

    @property
    def is_mine(self) -> bool:
        return self.request.requester == self.access.user

    @property
    def can_answer(self) -> bool:
        return self.status is RequestStatus.REQUESTED and may_answer(self.request, self.access)

    @property
    def can_collect(self) -> bool:
        return self.status is RequestStatus.APPROVED and self.is_mine


@require_safe
@member_page(_MEMBERS)
def key_requests(request: HttpRequest, access: Access) -> HttpResponse:
    now = timezone.now()
    waiting = _seen(access).with_status(RequestStatus.REQUESTED, now)
    # Waiting ones first: they are what an approver comes for.
    is_over = Case(
        When(pk__in=waiting.values("pk"), then=Value(0)),
        default=Value(1),
        output_field=IntegerField(),
    )
    found = _seen(access).with_people().order_by(is_over, "-pk")
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "organization": access.organization,
        "page": page,
        "rows": [RequestRow(each, access, now) for each in page],
        "waiting": waiting.count(),
        "sees_all": access.may(Permission.READ_MEMBERS),
    }
    return render(request, "apikeys/key_requests.html", context)


@require_safe
@member_page(_MEMBERS)
def key_request(request: HttpRequest, access: Access, request_id: uuid.UUID) -> HttpResponse:
    return _page(request, access, _find(access, request_id), "apikeys/key_request.html")


@require_http_methods(["GET", "POST"])
@member_page(_APPROVERS)
@recent_sign_in
def key_request_approve(
    request: HttpRequest, access: Access, request_id: uuid.UUID
) -> HttpResponse:
    found = _find(access, request_id)
    if request.method != "POST":
        return _page(request, access, found, "apikeys/key_request_approve.html")
    try:
        services.approve(request=found, by=Caller.at(access))
    except KeywayError as error:
        messages.error(request, f"{found.name}: {error.detail}")
    else:
        messages.success(
            request, f"Approved {found.name}. {found.requester} can now collect the key."
        )
    return redirect("key_request", access.organization.slug, found.pk)


@require_http_methods(["GET", "POST"])
@member_page(_APPROVERS)
@recent_sign_in
def key_request_refuse(request: HttpRequest, access: Access, request_id: uuid.UUID) -> HttpResponse:
    found = _find(access, request_id)
    form = RefusalForm(request.POST if request.method == "POST" else kept_fields(request))
    if request.method != "POST" or not form.is_valid():
        return _page(request, access, found, "apikeys/key_request_refuse.html", form=form)
    try:
        reason = form.cleaned_data["reason"]
        services.refuse(request=found, by=Caller.at(access), reason=reason)
    except KeywayError as error:
        messages.error(request, f"{found.name}: {error.detail}")
    else:
        messages.success(request, f"Refused {found.name}.")
    return redirect("key_request", access.organization.slug, found.pk)


@require_http_methods(["GET", "POST"])
@member_page(_MEMBERS)
@recent_sign_in
def key_request_collect(
    request: HttpRequest, access: Access, request_id: uuid.UUID
) -> HttpResponse:
    found = _find(access, request_id)
    if found.requester != access.user:
        raise Http404
    template = "apikeys/key_request_collect.html"
    form = NonceForm(request.POST if request.method == "POST" else None, user=access.user)
    if request.method != "POST" or not form.is_valid():
        return _page(request, access, found, template, form=form)
    nonce = form.idempotency_key
    try:
        throttling.issue(by=str(access.user.pk))
        issued = services.collect(request=found, by=Caller.at(access), idempotency_key=nonce)
    except AlreadyIssued:
        return already_created(request, idempotency_key=nonce, **_links(access))
    except KeywayError as error:
        if found.key and found.key.idempotency_key == nonce:  # the same form, submitted again
            return already_created(request, idempotency_key=nonce, **_links(access))
        form.add_error(None, error.detail)
        return _page(request, access, found, template, form=form)
    return reveal(request, "apikeys/public_key_reveal.html", issued)


def _seen(access: Access) -> KeyRequestQuerySet:
    return requests_seen_by(Caller.at(access)).for_organization(access.organization)


def _find(access: Access, request_id: uuid.UUID) -> KeyRequest:
    found = _seen(access).with_people().filter(pk=request_id).first()
    if found is None:
        raise Http404
    return found


def _page(
    request: HttpRequest, access: Access, found: KeyRequest, template: str, **more: Any
) -> HttpResponse:
    context = {
        "organization": access.organization,
        "row": RequestRow(found, access, timezone.now()),
        "asked": found,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, template, context | more, status=status)


def _links(access: Access) -> dict[str, object]:
    back = reverse("key_requests", args=[access.organization.slug])
    return {"back": back, "again": reverse("public_key_new")}
