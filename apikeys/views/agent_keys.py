"""Tenant Agents → Manage API Keys: the API Key Management dialog, a page without JavaScript."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apikeys import services
from apikeys.errors import AlreadyIssued
from apikeys.kind import Kind
from apikeys.models import Key, KeyQuerySet
from apikeys.services.callers import Caller
from apikeys.verify import throttling
from apikeys.views.came_from import ReturnPage, came_from
from apikeys.views.confirm import DELETE, confirm
from apikeys.views.key_new_form import AgentKeyForm
from apikeys.views.listing import list_keys
from apikeys.views.one_time import already_created, reveal
from config.lib.errors import KeywayError
from tenants.access import Access
from tenants.decorators import member_page
from tenants.roles import Permission
from tenants.sign_in.recent import kept_fields, recent_sign_in


@require_safe
@member_page(Permission.READ_AGENTS)
def agent_keys(request: HttpRequest, access: Access) -> HttpResponse:
    caller, now = Caller.at(access), timezone.now()
    listing = list_keys(_keys(access), request.GET, now, caller=caller)
    return render(request, "apikeys/agent_keys.html", {"listing": listing, **_context(access)})


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_AGENTS)
@recent_sign_in
def agent_key_new(request: HttpRequest, access: Access) -> HttpResponse:
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = AgentKeyForm(data, access=access, now=timezone.now())
    if request.method != "POST" or not form.is_valid():
        return _form(request, access, form)
    try:
        throttling.issue(by=str(access.user.pk))
        issued = services.issue_agent_key(
            organization=access.organization,
            order=form.order(),
            by=access.actor,
            created_by=access.user,
        )
    except AlreadyIssued:
        return already_created(request, idempotency_key=form.idempotency_key, **_links(access))
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(request, access, form)
    return reveal(request, "apikeys/agent_key_reveal.html", issued, **_context(access))


def _form(request: HttpRequest, access: Access, form: AgentKeyForm) -> HttpResponse:
    context = {"form": form, **_context(access)}
    return render(
        request,
        "apikeys/agent_key_new.html",
        context,
        status=422 if request.method == "POST" else 200,
    )


def _context(access: Access) -> dict[str, object]:
    return {"organization": access.organization, "may_manage": access.may(Permission.MANAGE_AGENTS)}


def _links(access: Access) -> dict[str, object]:
    slug = access.organization.slug
    return {
        "back": reverse("agent_keys", args=[slug]),
        "again": reverse("agent_key_new", args=[slug]),
        "organization": access.organization,
    }


def _keys(access: Access) -> KeyQuerySet:
    return Key.objects.for_organization(access.organization).of_kind(Kind.AGENT)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_AGENTS)
@recent_sign_in
def agent_key_delete(request: HttpRequest, access: Access, key_id: uuid.UUID) -> HttpResponse:
    """Revoke the key. The dialog's document calls it Delete, but the row stays for the record."""
    key = get_object_or_404(_keys(access).select_related("organization"), pk=key_id)
    dialog = ReturnPage(reverse("agent_keys", args=[access.organization.slug]), "agent_keys")
    back = came_from(request, default=dialog)
    return confirm(request, DELETE, key=key, by=access.actor, back=back)
