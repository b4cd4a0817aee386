"""The profile page: personal details, sign-in, appearance, API keys and connected applications."""

from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apikeys.hand_over import HandOver
from apikeys.models import Key, KeyRequest
from apikeys.oauth import connections
from apikeys.services.callers import Caller
from apikeys.views.listing import list_keys
from config.lib.snapshot import one_snapshot
from tenants.access import everywhere
from tenants.forms import ProfileForm
from tenants.models import User
from tenants.roles import Permission
from tenants.sign_in.recent import person


@require_http_methods(["GET", "POST"])
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    # A model form writes to its instance while validating. Use a copy of request.user, so that the
    # page header does not show a name that was refused.
    user = User.objects.get(pk=person(request).pk)
    form = ProfileForm(request.POST if request.method == "POST" else None, instance=user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved your profile.")
        return redirect("profile")
    with one_snapshot():
        return _page(request, form)


def _page(request: HttpRequest, form: ProfileForm) -> HttpResponse:
    places, now = everywhere(person(request)), timezone.now()
    context = {
        "form": form,
        "places": places,
        "may_issue": any(place.may(Permission.ISSUE_OWN_KEYS) for place in places),
        "has_second_factor": is_mfa_enabled(person(request)),
        "listing": list_keys(
            Key.objects.for_owner(person(request)),
            request.GET,
            now,
            caller=Caller.person(person(request)),
        ),
        "offers": HandOver.objects.offered_to(person(request))
        .waiting(now)
        .select_related("key__organization", "offered_by"),
        "open_requests": KeyRequest.objects.filter(
            requester=person(request), organization__in=[place.organization for place in places]
        )
        .still_open(now)
        .with_people()
        .order_by("-pk"),
        "connections": connections.of_person(person(request), at=now),
    }
    return render(
        request, "tenants/profile.html", context, status=422 if request.method == "POST" else 200
    )
