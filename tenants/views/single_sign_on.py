"""Administration → Single sign-on, for owners, and the mail domains that staff assign."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from config.lib.client_ip import client_ip
from config.lib.errors import KeywayError
from tenants.access import Access, actor
from tenants.decorators import member_page, staff_page
from tenants.forms import DomainForm, ProviderForm
from tenants.models import Organization
from tenants.roles import Permission
from tenants.sign_in.recent import kept_fields, person, recent_sign_in
from tenants.sign_in.sso import protocol, services
from tenants.sign_in.sso.models import IdentityProvider, MailDomain
from tenants.sign_in.sso.views import redirect_uri


@require_safe
@member_page(Permission.MANAGE_SINGLE_SIGN_ON)
def single_sign_on(request: HttpRequest, access: Access) -> HttpResponse:
    context = {
        "organization": access.organization,
        "provider": _provider(access),
        "redirect_uri": redirect_uri(access.organization),
        "domains": MailDomain.objects.filter(organization=access.organization).order_by("domain"),
    }
    return render(request, "sso/settings.html", context)


def _provider(access: Access) -> IdentityProvider | None:
    return IdentityProvider.objects.filter(organization=access.organization).first()


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_SINGLE_SIGN_ON)
@recent_sign_in
def sso_provider(request: HttpRequest, access: Access) -> HttpResponse:
    provider = _provider(access)
    current = {"issuer": provider.issuer, "client_id": provider.client_id} if provider else {}
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = ProviderForm(data, initial=current, has_secret=provider is not None)
    if request.method == "POST" and form.is_valid():
        issuer, client_id = form.cleaned_data["issuer"], form.cleaned_data["client_id"]
        try:
            protocol.discover(issuer)
            services.configure(
                organization=access.organization,
                issuer=issuer,
                client_id=client_id,
                secret=form.cleaned_data["client_secret"],
                by=access.actor,
            )
        except KeywayError as error:
            form.add_error("issuer", error.detail)
        else:
            messages.success(request, "Saved the identity provider.")
            return redirect("single_sign_on", access.organization.slug)
    return _page(request, "sso/provider.html", access, form=form, provider=provider)


def _page(request: HttpRequest, template: str, access: Access, **context: object) -> HttpResponse:
    status = 422 if request.method == "POST" else 200
    context["organization"] = access.organization
    return render(request, template, context, status=status)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_SINGLE_SIGN_ON)
@recent_sign_in
def sso_provider_remove(request: HttpRequest, access: Access) -> HttpResponse:
    if request.method == "POST":
        services.remove_provider(organization=access.organization, by=access.actor)
        messages.success(request, "Removed the identity provider.")
        return redirect("single_sign_on", access.organization.slug)
    return _page(request, "sso/provider_remove.html", access)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_SINGLE_SIGN_ON)
@recent_sign_in
def sso_domain_add(request: HttpRequest, access: Access) -> HttpResponse:
    form = DomainForm(request.POST if request.method == "POST" else kept_fields(request))
    if request.method == "POST" and form.is_valid():
        try:
            domain = services.claim_domain(
                organization=access.organization, by=access.actor, **form.cleaned_data
            )
        except KeywayError as error:
            form.add_error("domain", error.detail)
        else:
            return redirect("sso_domain", access.organization.slug, domain.pk)
    return _page(request, "sso/domain_add.html", access, form=form)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_SINGLE_SIGN_ON)
@recent_sign_in
def sso_domain(request: HttpRequest, access: Access, domain_id: uuid.UUID) -> HttpResponse:
    """Show the record that proves the domain. A POST looks it up."""
    domain = _domain(access, domain_id)
    if request.method == "POST":
        try:
            services.prove_domain(domain=domain, by=access.actor)
        except KeywayError as error:
            messages.error(request, error.detail)
            return redirect("sso_domain", access.organization.slug, domain.pk)
        messages.success(request, f"{domain} is proven.")
        return redirect("single_sign_on", access.organization.slug)
    return _page(request, "sso/domain.html", access, domain=domain)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_SINGLE_SIGN_ON)
@recent_sign_in
def sso_domain_remove(request: HttpRequest, access: Access, domain_id: uuid.UUID) -> HttpResponse:
    domain = _domain(access, domain_id)
    if request.method == "POST":
        services.remove_domain(domain=domain, by=access.actor)
        messages.success(request, f"Removed {domain}.")
        return redirect("single_sign_on", access.organization.slug)
    return _page(request, "sso/domain_remove.html", access, domain=domain)


def _domain(access: Access, domain_id: uuid.UUID) -> MailDomain:
    return get_object_or_404(MailDomain, organization=access.organization, pk=domain_id)


@require_http_methods(["GET", "POST"])
@staff_page
@recent_sign_in
def organization_domain(request: HttpRequest, slug: str) -> HttpResponse:
    """Assign a mail domain to an organization, as platform staff."""
    organization = get_object_or_404(Organization, slug=slug)
    form = DomainForm(request.POST if request.method == "POST" else kept_fields(request))
    if request.method == "POST" and form.is_valid():
        by = actor(person(request), client_ip(request.META))
        try:
            services.assign_domain(organization=organization, by=by, **form.cleaned_data)
        except KeywayError as error:
            form.add_error("domain", error.detail)
        else:
            domain = form.cleaned_data["domain"]
            messages.success(request, f"Assigned {domain} to {organization}.")
            return redirect("organizations")
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "organization": organization}
    return render(request, "tenants/organization_domain.html", context, status=status)
