"""Settings → General: the name of an organization."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from tenants import services
from tenants.access import Access
from tenants.decorators import member_page
from tenants.errors import Forbidden
from tenants.forms import OrganizationNameForm
from tenants.roles import Permission


@require_http_methods(["GET", "POST"])
@member_page(Permission.READ_ACTIVITY)
def settings_general(request: HttpRequest, access: Access) -> HttpResponse:
    organization, data = access.organization, None
    if request.method == "POST":
        _require_manager(access)
        data = request.POST
    form = OrganizationNameForm(data, initial={"name": organization.name})
    if form.is_valid():
        name = form.cleaned_data["name"]
        services.rename_organization(organization=organization, name=name, by=access.actor)
        messages.success(request, "Saved the organization’s name.")
        return redirect("settings_general", organization.slug)
    context = {
        "organization": organization,
        "form": form,
        "may_manage": access.may(Permission.MANAGE_ORGANIZATION),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "settings/general.html", context, status=status)


def _require_manager(access: Access) -> None:
    try:
        access.require(Permission.MANAGE_ORGANIZATION)
    except Forbidden as error:
        raise PermissionDenied(error.detail) from error
