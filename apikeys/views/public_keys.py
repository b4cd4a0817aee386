"""Create a public key: on Profile the user's own, in an organization's settings also the latter's.

One form and one reveal serve both pages. Each has the words of its document.
"""

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apikeys import services
from apikeys.authority import Authority
from apikeys.errors import AlreadyIssued, ApprovalRequired
from apikeys.models import KeyRules
from apikeys.services import Issued
from apikeys.services.callers import Caller, IssuingPlace
from apikeys.verify import throttling
from apikeys.views.key_new_form import ME, ORGANIZATION, PublicKeyForm
from apikeys.views.one_time import already_created, reveal
from config.lib.client_ip import client_ip
from config.lib.errors import KeywayError
from tenants.access import Access, everywhere
from tenants.decorators import member_page
from tenants.models import Organization
from tenants.roles import Permission
from tenants.sign_in.recent import kept_fields, person, recent_sign_in

CANNOT_ISSUE = (
    "Your role does not allow creating API keys. Ask an admin of your organization to change it."
)


@dataclass(frozen=True, slots=True)
class NewKeyPage:
    """Where the form is and where its list is. `organization` is set in its settings."""

    address: str
    back: str
    label: str
    organization: Organization | None = None


@require_http_methods(["GET", "POST"])
@login_required
@recent_sign_in
def public_key_new(request: HttpRequest) -> HttpResponse:
    page = NewKeyPage(reverse("public_key_new"), reverse("profile"), "Label")
    form = _form_of(request, places_to_issue_in(request), owner=ME)
    return _create(request, page, form)


@require_http_methods(["GET", "POST"])
@member_page(Permission.ISSUE_OWN_KEYS)
@recent_sign_in
def settings_key_new(request: HttpRequest, access: Access) -> HttpResponse:
    if access.membership is None:
        raise PermissionDenied(CANNOT_ISSUE)
    slug = access.organization.slug
    page = NewKeyPage(
        reverse("settings_key_new", args=[slug]),
        reverse("settings_api_keys", args=[slug]),
        "Name",
        access.organization,
    )
    owner = ME if request.GET.get("owner") == ME else ORGANIZATION
    form = _form_of(request, [access], owner=owner)
    form.name_it(page.label)
    return _create(request, page, form)


def _form_of(request: HttpRequest, places: list[Access], *, owner: str) -> PublicKeyForm:
    return PublicKeyForm(
        request.POST if request.method == "POST" else kept_fields(request),
        user=person(request),
        now=timezone.now(),
        places=places,
        preferred=request.GET.get("organization", ""),
        owner=owner,
    )


def _create(request: HttpRequest, page: NewKeyPage, form: PublicKeyForm) -> HttpResponse:
    if request.method != "POST" or not form.is_valid():
        return _form(request, page, form)
    try:
        throttling.issue(by=str(form.user.pk))
        issued = _issue(form)
    except AlreadyIssued:
        return already_created(
            request, idempotency_key=form.idempotency_key, back=page.back, again=page.address
        )
    except ApprovalRequired:
        return _request(request, page, form)
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(request, page, form)
    return reveal(request, "apikeys/public_key_reveal.html", issued, page=page)


def _issue(form: PublicKeyForm) -> Issued:
    place, order, scopes = form.place, form.order(), form.cleaned_data["scopes"]
    if form.is_organizations:
        return services.issue_organization_key(
            organization=place.organization,
            order=order,
            scopes=scopes,
            by=place.actor,
            created_by=place.user,
            within=Authority.of_person(place.permissions),
        )
    owner = place.membership
    assert owner is not None  # noqa: S101  both views require a membership
    return services.issue_public_key(owner=owner, order=order, scopes=scopes, by=place.actor)


def _request(request: HttpRequest, page: NewKeyPage, form: PublicKeyForm) -> HttpResponse:
    """Request the key. Submitting the form again leads to the same request."""
    order, place = form.order(), form.place
    owner = None if form.is_organizations else place.membership
    try:
        made = services.find_requested(requester=place.user, order=order) or services.request_key(
            caller=Caller.at(place),
            place=IssuingPlace(place.organization, owner),
            order=order,
            scopes=form.cleaned_data["scopes"],
        )
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(request, page, form)
    messages.success(request, f"Requested {made.name}. You can collect it once it is approved.")
    return redirect("key_request", place.organization.slug, made.pk)


def places_to_issue_in(request: HttpRequest) -> list[Access]:
    """The user's access where they may hold a public key.

    Raises PermissionDenied if there is none.
    """
    own = everywhere(person(request), address=client_ip(request.META))
    places = [place for place in own if place.may(Permission.ISSUE_OWN_KEYS)]
    if not places:
        raise PermissionDenied(CANNOT_ISSUE)
    return places


def _form(request: HttpRequest, page: NewKeyPage, form: PublicKeyForm) -> HttpResponse:
    places = [place.organization for place in form.places.values()]
    rows = KeyRules.objects.filter(organization__in=places).select_related("organization")
    rules = [(row.organization, row.rules.sentences) for row in rows]
    context = {
        "form": form,
        "page": page,
        "organization": page.organization,
        "rules": [(organization, sentences) for organization, sentences in rules if sentences],
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "apikeys/public_key_new.html", context, status=status)
