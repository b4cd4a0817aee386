"""New API Key, for a user's own keys. The Profile page lists them."""

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apikeys import services
from apikeys.errors import AlreadyIssued
from apikeys.verify import throttling
from apikeys.views.forms import PublicKeyForm
from apikeys.views.one_time import already_created, reveal
from config.lib.client_ip import client_ip
from config.lib.errors import KeywayError
from tenants.access import Access, everywhere
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
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(request, form)
    return reveal(request, "apikeys/public_key_reveal.html", issued)


def places_to_issue_in(request: HttpRequest) -> list[Access]:
    """The user's access where they may hold a public key.

    Raises PermissionDenied if there is none.
    """
    own = everywhere(person(request), address=client_ip(request.META))
    places = [place for place in own if place.may(Permission.ISSUE_OWN_KEYS)]
    if not places:
        raise PermissionDenied(CANNOT_ISSUE)
    return places


def _form(request: HttpRequest, form: PublicKeyForm) -> HttpResponse:
    context = {"form": form, "scopes": form.offered}
    return render(
        request,
        "apikeys/public_key_new.html",
        context,
        status=422 if request.method == "POST" else 200,
    )


def _links() -> dict[str, str]:
    return {"back": f"{reverse('profile')}#api-keys", "again": reverse("public_key_new")}
