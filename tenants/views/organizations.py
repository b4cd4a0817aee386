"""Administration → Organizations, for platform staff: find, create, rename, suspend and resume."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from config.lib.client_ip import client_ip
from config.lib.errors import KeywayError
from config.lib.snapshot import one_snapshot
from tenants import services
from tenants.access import actor
from tenants.decorators import staff_page
from tenants.forms import OrganizationForm, OrganizationNameForm
from tenants.invitations import found
from tenants.models import Membership, Organization
from tenants.sign_in.recent import kept_fields, person, recent_sign_in

PER_PAGE = 25
QUERY_LENGTH = 200


@dataclass(frozen=True, slots=True)
class OrganizationChange:
    """A change with a confirmation page: its template, its service and its success message."""

    template: str
    service: Callable[..., object]
    done: str


SUSPEND = OrganizationChange(
    "tenants/organization_suspend.html",
    services.suspend_organization,
    "Suspended {name}. Its keys no longer work.",
)
RESUME = OrganizationChange(
    "tenants/organization_resume.html",
    services.resume_organization,
    "Resumed {name}. Its keys work again.",
)


def query_of(request: HttpRequest) -> str:
    """Return the search text. Unprintable characters match no name, and PostgreSQL rejects NUL."""
    text = request.GET.get("q", "")[:QUERY_LENGTH]
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@require_safe
@staff_page
@one_snapshot()
def organizations(request: HttpRequest) -> HttpResponse:
    query = query_of(request)
    matching = Organization.objects.all().named_like(query)
    page = Paginator(matching, PER_PAGE).get_page(request.GET.get("page"))
    members = _members(page)
    rows = [(organization, members.get(organization.pk, 0)) for organization in page]
    context = {"page": page, "rows": rows, "query": query}
    return render(request, "tenants/organizations.html", context)


def _members(organizations: Iterable[Organization]) -> dict[object, int]:
    present = Membership.objects.present().filter(organization__in=list(organizations))
    return dict(present.values_list("organization_id").annotate(Count("pk")))


@require_http_methods(["GET", "POST"])
@staff_page
@recent_sign_in
def organization_new(request: HttpRequest) -> HttpResponse:
    form = OrganizationForm(request.POST if request.method == "POST" else kept_fields(request))
    if request.method == "POST" and form.is_valid():
        try:
            # Store the email with the organization, or neither. The worker sends it later.
            with transaction.atomic():
                owner = found(**form.cleaned_data, by=actor(person(request), _address(request)))
                get_adapter(request).send_invitation(owner, by=str(request.user))
        except KeywayError as error:
            form.add_error("slug", error.detail)
        else:
            name, email = owner.organization.name, owner.user.email
            messages.success(request, f"Created {name}, and sent {email} an email.")
            return redirect("organizations")
    status = 422 if request.method == "POST" else 200
    return render(request, "tenants/organization_new.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
@staff_page
@recent_sign_in
def organization_rename(request: HttpRequest, slug: str) -> HttpResponse:
    organization = get_object_or_404(Organization, slug=slug)
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = OrganizationNameForm(data, initial={"name": organization.name})
    if request.method == "POST" and form.is_valid():
        by, name = actor(person(request), _address(request)), form.cleaned_data["name"]
        services.rename_organization(organization=organization, name=name, by=by)
        messages.success(request, f"Renamed {organization.name} to {name}.")
        return redirect("organizations")
    context = {"form": form, "organization": organization}
    status = 422 if request.method == "POST" else 200
    return render(request, "tenants/organization_rename.html", context, status=status)


@require_http_methods(["GET", "POST"])
@staff_page
@recent_sign_in
def organization_suspend(request: HttpRequest, slug: str) -> HttpResponse:
    return _confirm(request, slug, SUSPEND)


@require_http_methods(["GET", "POST"])
@staff_page
@recent_sign_in
def organization_resume(request: HttpRequest, slug: str) -> HttpResponse:
    return _confirm(request, slug, RESUME)


def _confirm(request: HttpRequest, slug: str, change: OrganizationChange) -> HttpResponse:
    organization = get_object_or_404(Organization, slug=slug)
    if request.method == "POST":
        change.service(organization=organization, by=actor(person(request), _address(request)))
        messages.success(request, change.done.format(name=organization.name))
        return redirect("organizations")
    return render(request, change.template, {"organization": organization})


def _address(request: HttpRequest) -> str:
    return client_ip(request.META)
