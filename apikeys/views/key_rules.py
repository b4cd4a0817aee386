"""Settings → Key rules: what the organization demands of its keys, and the keys that break it."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apikeys.errors import StaleRules
from apikeys.models import Key, KeyRules
from apikeys.rules import Broken
from apikeys.services.rules import (
    LEAST_APPROVERS,
    approvers,
    breaking,
    change_rules,
    due_for_rotation,
    stored_rules,
)
from apikeys.views.key_rules_form import KeyRulesForm
from config.lib.errors import KeywayError
from tenants.access import Access
from tenants.decorators import member_page
from tenants.errors import Forbidden
from tenants.roles import Permission
from tenants.sign_in.recent import kept_fields, recent_sign_in

MOST_BREAKING = 1000
PER_PAGE = 25


@dataclass(frozen=True, slots=True)
class BreakingKey:
    key: Key
    broken: tuple[Broken, ...]


@require_http_methods(["GET", "POST"])
@member_page(Permission.READ_MEMBERS)
def settings_key_rules(request: HttpRequest, access: Access) -> HttpResponse:
    if request.method == "POST":
        return _save(request, access)
    current = stored_rules(access.organization)
    return _page(request, access, KeyRulesForm(kept_fields(request), current=current), current)


@recent_sign_in
def _save(request: HttpRequest, access: Access) -> HttpResponse:
    if not access.may(Permission.MANAGE_KEY_RULES):
        raise PermissionDenied(Forbidden.detail)
    current = stored_rules(access.organization)
    form = KeyRulesForm(request.POST, current=current)
    if not form.is_valid():
        return _page(request, access, form, current, status=422)
    try:
        version = form.cleaned_data["version"]
        saved = change_rules(place=access, changes=form.changes(), version=version)
    except StaleRules as error:
        return _conflict(request, access, error)
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _page(request, access, form, current, status=422)
    changed = saved.version != current.version
    messages.success(request, "Saved the key rules." if changed else "There was nothing to save.")
    return redirect("settings_key_rules", access.organization.slug)


def _conflict(request: HttpRequest, access: Access, error: StaleRules) -> HttpResponse:
    """Show the person's input again, based on the newer version. Saving once more replaces it."""
    theirs = stored_rules(access.organization)
    values = request.POST.copy()
    values["version"] = str(theirs.version)
    form = KeyRulesForm(values, current=theirs)
    return _page(request, access, form, theirs, status=409, conflict=error.detail)


def _page(
    request: HttpRequest,
    access: Access,
    form: KeyRulesForm,
    current: KeyRules,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    organization, rules, now = access.organization, current.rules, timezone.now()
    count = approvers(organization).count()
    context = {
        "organization": organization,
        "may_manage": access.may(Permission.MANAGE_KEY_RULES),
        "form": form,
        "rules": rules,
        "approvers": count,
        "too_few_approvers": rules.needs_approval and count < LEAST_APPROVERS,
        "due_for_rotation": due_for_rotation(organization, rules, until=now).count(),
        **_breaking(request, access, current),
    }
    return render(request, "settings/key_rules.html", context | more, status=status)


def _breaking(request: HttpRequest, access: Access, current: KeyRules) -> dict[str, object]:
    found = breaking(access.organization, current.rules, timezone.now(), most=MOST_BREAKING + 1)
    page = Paginator(list(found), PER_PAGE).get_page(request.GET.get("page"))
    keys = (
        Key.objects.filter(pk__in=list(page))
        .select_related("organization", "owner__user")
        .prefetch_related("secrets")
        .order_by("-pk")
    )
    return {
        "page": page,
        "breaking": [BreakingKey(key, found[key.pk]) for key in keys],
        "breaking_count": min(len(found), MOST_BREAKING),
        "has_more_breaking": len(found) > MOST_BREAKING,
    }
