"""Settings → API Keys: every key of an organization that the user may see."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apikeys.insights import select
from apikeys.services.callers import Caller
from apikeys.views.key_export import export_keys
from apikeys.views.key_filter import KeyFilterForm, owners_in
from apikeys.views.listing import list_keys, selection_of
from tenants.access import Access
from tenants.decorators import member_page
from tenants.roles import Permission


@require_safe
@member_page(Permission.READ_ACTIVITY)
def settings_api_keys(request: HttpRequest, access: Access) -> HttpResponseBase:
    caller, now, organization = Caller.at(access), timezone.now(), access.organization
    keys = caller.keys_in(organization)
    sees_all = access.may(Permission.READ_MEMBERS)
    owners = owners_in(organization, request.GET.get("owner", "")) if sees_all else []
    if request.GET.get("format") == "csv":
        form = KeyFilterForm(request.GET, owners=owners)
        if form.is_valid():
            found = select(form.wanted.of(keys, now), selection_of(request.GET), now)
            return export_keys(found, now, name=f"{organization.slug}-api-keys.csv")
    context = {
        "organization": organization,
        "listing": list_keys(keys, request.GET, now, caller=caller, owners=owners),
        "sees_all": sees_all,
        "may_issue": bool(access.membership) and access.may(Permission.ISSUE_OWN_KEYS),
        "may_generate": access.may(Permission.ISSUE_ORGANIZATION_KEYS),
    }
    return render(request, "settings/api_keys.html", context)
