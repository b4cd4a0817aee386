"""Administration → Applications: the OAuth applications of an organization."""

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from apikeys.oauth import services
from apikeys.oauth.errors import SecretShown
from apikeys.oauth.forms import DeleteApplicationForm, EditApplicationForm, NewApplicationForm
from apikeys.oauth.models import Application
from apikeys.oauth.token_format import PlainToken
from apikeys.verify import throttling
from apikeys.views.forms import NonceForm
from apikeys.views.one_time import disclose
from config.lib.errors import KeywayError
from tenants.access import Access
from tenants.decorators import member_page
from tenants.roles import Permission
from tenants.sign_in.recent import kept_fields, recent_sign_in

PER_PAGE = 25


@require_safe
@member_page(Permission.MANAGE_APPLICATIONS)
def applications(request: HttpRequest, access: Access) -> HttpResponse:
    page = Paginator(Application.objects.for_organization(access.organization), PER_PAGE).get_page(
        request.GET.get("page")
    )
    return render(
        request, "oauth/applications.html", {"page": page, "organization": access.organization}
    )


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_APPLICATIONS)
@recent_sign_in
def application_new(request: HttpRequest, access: Access) -> HttpResponse:
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = NewApplicationForm(data, user=access.user)
    if request.method != "POST" or not form.is_valid():
        return _form(request, "oauth/application_new.html", access, form=form)
    try:
        throttling.issue(by=str(access.user.pk))
        registered = services.register(
            organization=access.organization,
            draft=form.draft(),
            by=access.actor,
            created_by=access.user,
        )
    except SecretShown:
        return _already_shown(request, access)
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(request, "oauth/application_new.html", access, form=form)
    return _reveal(request, access, registered.application, registered.plaintext)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_APPLICATIONS)
@recent_sign_in
def application_edit(
    request: HttpRequest, access: Access, application_id: uuid.UUID
) -> HttpResponse:
    application = _find(access, application_id)
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = EditApplicationForm(data, application=application)
    if request.method != "POST" or not form.is_valid():
        return _form(
            request, "oauth/application_edit.html", access, form=form, application=application
        )
    addresses = form.cleaned_data.get("redirect_uris", [])
    try:
        services.edit(
            application=application,
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            redirect_uris=addresses,
            by=access.actor,
        )
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(
            request, "oauth/application_edit.html", access, form=form, application=application
        )
    messages.success(request, f"Saved {application.name}.")
    return redirect("applications", access.organization.slug)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_APPLICATIONS)
@recent_sign_in
def application_secret(
    request: HttpRequest, access: Access, application_id: uuid.UUID
) -> HttpResponse:
    application = _find(access, application_id)
    form = NonceForm(request.POST if request.method == "POST" else None, user=access.user)
    if request.method != "POST" or not form.is_valid():
        return _form(
            request, "oauth/application_secret.html", access, form=form, application=application
        )
    try:
        throttling.issue(by=str(access.user.pk))
        nonce = form.cleaned_data["idempotency_key"]
        plaintext = services.rotate_secret(
            application=application, by=access.actor, idempotency_key=nonce
        )
    except SecretShown:
        return _already_shown(request, access)
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(
            request, "oauth/application_secret.html", access, form=form, application=application
        )
    return _reveal(request, access, application, plaintext)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_APPLICATIONS)
@recent_sign_in
def application_disable(
    request: HttpRequest, access: Access, application_id: uuid.UUID
) -> HttpResponse:
    done = "Disabled {name}. It and its tokens will not work until you enable it."
    return _confirm(request, access, application_id, services.disable, done)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_APPLICATIONS)
@recent_sign_in
def application_enable(
    request: HttpRequest, access: Access, application_id: uuid.UUID
) -> HttpResponse:
    return _confirm(request, access, application_id, services.enable, "Enabled {name}.")


def _confirm(
    request: HttpRequest,
    access: Access,
    application_id: uuid.UUID,
    service: Callable[..., object],
    done: str,
) -> HttpResponse:
    """Show the confirmation page named after the service, or carry the service out."""
    application = _find(access, application_id)
    if request.method != "POST":
        template = f"oauth/application_{service.__name__}.html"
        return _form(request, template, access, application=application)
    service(application=application, by=access.actor)
    messages.success(request, done.format(name=application.name))
    return redirect("applications", access.organization.slug)


@require_http_methods(["GET", "POST"])
@member_page(Permission.MANAGE_APPLICATIONS)
@recent_sign_in
def application_delete(
    request: HttpRequest, access: Access, application_id: uuid.UUID
) -> HttpResponse:
    application = _find(access, application_id)
    form = DeleteApplicationForm(
        request.POST if request.method == "POST" else None, application=application
    )
    if request.method != "POST" or not form.is_valid():
        return _form(
            request, "oauth/application_delete.html", access, form=form, application=application
        )
    services.delete(application=application, by=access.actor)
    messages.success(request, f"Deleted {application.name}. Its tokens no longer work.")
    return redirect("applications", access.organization.slug)


def _find(access: Access, application_id: uuid.UUID) -> Application:
    return get_object_or_404(
        Application.objects.for_organization(access.organization), pk=application_id
    )


def _form(request: HttpRequest, template: str, access: Access, **context: object) -> HttpResponse:
    context["organization"] = access.organization
    return render(request, template, context, status=422 if request.method == "POST" else 200)


def _reveal(
    request: HttpRequest, access: Access, application: Application, plaintext: PlainToken | None
) -> HttpResponse:
    return disclose(
        request,
        "oauth/application_reveal.html",
        application=application,
        plaintext=plaintext,
        organization=access.organization,
    )


def _already_shown(request: HttpRequest, access: Access) -> HttpResponse:
    return render(
        request, "oauth/application_shown.html", {"organization": access.organization}, status=409
    )
