"""The agent configuration page. Every version is kept; saving over an unseen one is a conflict."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from tenants.access import Access
from tenants.agents.services import change_configuration, configuration_in_force
from tenants.decorators import member_page
from tenants.errors import Forbidden, StaleConfiguration
from tenants.forms import COMMON_ACTIONS, ConfigurationForm
from tenants.models import AgentConfiguration
from tenants.roles import Permission

VERSIONS_PER_PAGE = 20


@require_http_methods(["GET", "POST"])
@member_page(Permission.READ_AGENTS)
def agent_configuration(request: HttpRequest, access: Access) -> HttpResponse:
    in_force = configuration_in_force(access.organization.pk)
    if request.method != "POST":
        return _page(request, access, ConfigurationForm(None, current=in_force), in_force)
    if not access.may(Permission.MANAGE_AGENTS):
        raise PermissionDenied(Forbidden.detail)
    form = ConfigurationForm(request.POST, current=in_force)
    if not form.is_valid():
        return _page(request, access, form, in_force, status=422)
    try:
        if form.cleaned_data["version"] != in_force.version:
            raise StaleConfiguration()
        saved = change_configuration(current=in_force, changes=form.changes(), by=access.actor)
    except StaleConfiguration as error:
        return _conflict(request, access, error)
    changed = saved.version != in_force.version
    messages.success(
        request, f"Saved version {saved.version}." if changed else "There was nothing to save."
    )
    return redirect("agent_configuration", access.organization.slug)


def _conflict(request: HttpRequest, access: Access, error: StaleConfiguration) -> HttpResponse:
    """Show the user's input again, based on the newer version. Saving once more replaces it."""
    theirs = configuration_in_force(access.organization.pk)
    values = request.POST.copy()
    values["version"] = str(theirs.version)
    form = ConfigurationForm(values, current=theirs)
    return _page(request, access, form, theirs, status=409, conflict=error.detail)


def _page(
    request: HttpRequest,
    access: Access,
    form: ConfigurationForm,
    in_force: AgentConfiguration,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    versions = AgentConfiguration.objects.filter(organization=access.organization)
    chosen = form["common_actions"].value() or []
    context = {
        "organization": access.organization,
        "may_manage": access.may(Permission.MANAGE_AGENTS),
        "form": form,
        "in_force": in_force,
        "action_groups": COMMON_ACTIONS,
        "chosen_actions": chosen,
        "versions": Paginator(versions, VERSIONS_PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "tenants/configuration.html", context | more, status=status)
