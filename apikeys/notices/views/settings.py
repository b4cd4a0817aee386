"""Settings → Notifications of an organization, and Profile → Notifications of a person."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from apikeys.notices import preferences, webhooks
from apikeys.notices.causes import FOR_ADMINS
from apikeys.notices.forms import AdminsForm, PersonForm
from apikeys.notices.models import Webhook
from config.lib.client_ip import client_ip
from tenants.access import Access, actor, everywhere
from tenants.decorators import member_page
from tenants.roles import Permission
from tenants.sign_in.recent import kept_fields, person, recent_sign_in


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_NOTIFICATIONS)
def notifications(request: HttpRequest, access: Access) -> HttpResponse:
    if request.method == "POST":
        return _choose(request, access)
    return _page(request, access, _admins_form(request, access))


@recent_sign_in
def _choose(request: HttpRequest, access: Access) -> HttpResponse:
    form = _admins_form(request, access)
    if not form.is_valid():
        return _page(request, access, form, status=422)
    preferences.choose_for_organization(
        organization=access.organization,
        causes=form.cleaned_data["causes"],
        recipients=form.chosen_recipients,
        by=access.actor,
    )
    messages.success(request, "Saved notifications.")
    return redirect("settings_notifications", access.organization.slug)


def _admins_form(request: HttpRequest, access: Access) -> AdminsForm:
    return AdminsForm(
        request.POST if request.method == "POST" else kept_fields(request),
        chosen=preferences.of_organization(access.organization),
        managers=list(preferences.managers(access.organization)),
    )


def _page(
    request: HttpRequest, access: Access, form: AdminsForm, *, status: int = 200
) -> HttpResponse:
    hooks = list(Webhook.objects.for_organization(access.organization))
    context = {
        "organization": access.organization,
        "form": form,
        "choices": FOR_ADMINS,
        "chosen": form["causes"].value() or [],
        "webhooks": hooks,
        "is_full": len(hooks) >= webhooks.MOST,
    }
    return render(request, "notices/settings.html", context, status=status)


@require_http_methods(["GET", "POST"])
@login_required
def my_notifications(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _choose_mine(request)
    return _my_page(request, _person_form(request))


@recent_sign_in
def _choose_mine(request: HttpRequest) -> HttpResponse:
    """Requires a recent sign-in: a stolen session must not silence the notice of its sign-in."""
    form = _person_form(request)
    if not form.is_valid():
        return _my_page(request, form, status=422)
    user = person(request)
    by = actor(user, client_ip(request.META))
    preferences.choose_for_person(user=user, choices=form.choices(), by=by)
    messages.success(request, "Saved your notifications.")
    return redirect("profile_notifications")


def _person_form(request: HttpRequest) -> PersonForm:
    user = person(request)
    return PersonForm(
        request.POST if request.method == "POST" else kept_fields(request),
        chosen=preferences.of_person(user),
        manages=any(
            place.membership and place.may(Permission.MANAGE_NOTIFICATIONS)
            for place in everywhere(user)
        ),
    )


def _my_page(request: HttpRequest, form: PersonForm, *, status: int = 200) -> HttpResponse:
    context = {"form": form, "choices": form.offered, "chosen": form["causes"].value() or []}
    return render(request, "notices/profile.html", context, status=status)
