"""New API Key, Revoke, Pause and Resume for a user's own keys. The Profile page lists them."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apikeys import services
from apikeys.errors import AlreadyIssued, ApprovalRequired
from apikeys.models import Key, KeyRules
from apikeys.services.callers import Caller, IssuingPlace
from apikeys.verify import throttling
from apikeys.views.confirm import PAUSE, RESUME, REVOKE, KeyAction, KeyPages, confirm
from apikeys.views.forms import PublicKeyForm
from apikeys.views.one_time import already_created, reveal
from config.lib.client_ip import client_ip
from config.lib.errors import KeywayError
from tenants.access import Access, actor, everywhere
from tenants.models import Membership
from tenants.roles import Permission
from tenants.sign_in.recent import kept_fields, person, recent_sign_in

CANNOT_ISSUE = (
    "Your role does not allow creating API keys. Ask an admin of your organization to change it."
)


@require_http_methods(["GET", "POST"])
@login_required
@recent_sign_in
def public_key_new(request: HttpRequest) -> HttpResponse:
    data = request.POST if request.method == "POST" else kept_fields(request)
    preferred = request.GET.get("organization", "")
    form = PublicKeyForm(
        data,
        user=person(request),
        now=timezone.now(),
        places=places_to_issue_in(request),
        preferred=preferred,
    )
    if request.method != "POST" or not form.is_valid():
        return _form(request, form)
    owner = form.place.membership
    assert owner is not None  # noqa: S101  places_to_issue_in returns memberships only
    try:
        throttling.issue(by=str(owner.user_id))
        issued = services.issue_public_key(
            owner=owner, order=form.order(), scopes=form.cleaned_data["scopes"], by=form.place.actor
        )
    except AlreadyIssued:
        return already_created(request, idempotency_key=form.idempotency_key, **_links())
    except ApprovalRequired:
        return _request(request, form, owner)
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(request, form)
    return reveal(request, "apikeys/public_key_reveal.html", issued)


def _request(request: HttpRequest, form: PublicKeyForm, owner: Membership) -> HttpResponse:
    """Request the key. Submitting the form again leads to the same request."""
    order, place = form.order(), form.place
    try:
        made = services.find_requested(requester=place.user, order=order) or services.request_key(
            caller=Caller(place.user, {place.organization.pk: place}, address=place.address),
            place=IssuingPlace(place.organization, owner),
            order=order,
            scopes=form.cleaned_data["scopes"],
        )
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(request, form)
    messages.success(request, f"Requested {made.name}. You can collect it once it is approved.")
    return redirect("key_request", place.organization.slug, made.pk)


def places_to_issue_in(request: HttpRequest) -> list[Access]:
    """The user's access where they may hold a public key.

    Raises PermissionDenied if there is none.
    """
    every_place = everywhere(person(request), address=client_ip(request.META))
    # Platform staff reach organizations without being members, but a public key needs an owner.
    places = [
        place for place in every_place if place.membership and place.may(Permission.ISSUE_OWN_KEYS)
    ]
    if not places:
        raise PermissionDenied(CANNOT_ISSUE)
    return places


def _form(request: HttpRequest, form: PublicKeyForm) -> HttpResponse:
    rules = [
        (row.organization, row.rules.sentences)
        for row in KeyRules.objects.filter(
            organization__in=[place.organization for place in form.places.values()]
        ).select_related("organization")
    ]
    context = {
        "form": form,
        "scopes": form.offered,
        "rules": [(organization, sentences) for organization, sentences in rules if sentences],
    }
    return render(
        request,
        "apikeys/public_key_new.html",
        context,
        status=422 if request.method == "POST" else 200,
    )


def _links() -> dict[str, str]:
    return {"back": f"{reverse('profile')}#api-keys", "again": reverse("public_key_new")}


@require_http_methods(["GET", "POST"])
@login_required
@recent_sign_in
def public_key_revoke(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    return _confirm(request, REVOKE, key_id)


@require_http_methods(["GET", "POST"])
@login_required
@recent_sign_in
def public_key_pause(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    return _confirm(request, PAUSE, key_id)


@require_http_methods(["GET", "POST"])
@login_required
@recent_sign_in
def public_key_resume(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    return _confirm(request, RESUME, key_id)


def _confirm(request: HttpRequest, action: KeyAction, key_id: uuid.UUID) -> HttpResponse:
    """Answers 404 for other users' keys, as for ids that do not exist."""
    mine = Key.objects.for_owner(person(request)).select_related("organization", "owner__user")
    key = get_object_or_404(mine, pk=key_id)
    pages = KeyPages(reverse("profile"), reverse("public_key_pause", args=[key.pk]), is_agent=False)
    by = actor(person(request), client_ip(request.META))
    return confirm(request, action, key=key, by=by, pages=pages)
