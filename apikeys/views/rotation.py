"""Rotate a key, and End now for one of its secrets."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apikeys import services
from apikeys.errors import AlreadyRotated
from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.services.callers import Caller
from apikeys.services.hosts import hosts_on
from apikeys.stored_secret import Secret
from apikeys.verify import throttling
from apikeys.views.one_time import disclose
from apikeys.views.rotation_form import RotationForm
from config.lib.client_ip import client_ip
from config.lib.errors import KeywayError
from tenants.errors import NoAccess
from tenants.sign_in.recent import kept_fields, person, recent_sign_in


@require_http_methods(["GET", "POST"])
@login_required
@recent_sign_in
def key_rotate(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    caller, key = _found(request, key_id)
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = RotationForm(data, user=caller.user, key=key)
    if request.method != "POST" or not form.is_valid():
        return _form(request, form, key)
    try:
        throttling.issue(by=caller.user)
        rotated = services.rotate(
            key=key,
            overlap=form.overlap(),
            within=caller.authority_in(key.organization_id),
            by=caller.actor,
            idempotency_key=form.idempotency_key,
        )
    except AlreadyRotated:
        return render(request, "apikeys/already_rotated.html", _context(key), status=409)
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(request, form, key)
    context = _context(key) | {"rotated": rotated, "plaintext": rotated.plaintext}
    return disclose(request, "apikeys/rotated.html", **context)


@require_http_methods(["GET", "POST"])
@login_required
@recent_sign_in
def key_end_secret(request: HttpRequest, key_id: uuid.UUID, secret_id: uuid.UUID) -> HttpResponse:
    caller, key = _found(request, key_id)
    secret = get_object_or_404(Secret.objects.filter(key=key).select_related("key"), pk=secret_id)
    if request.method != "POST":
        now = timezone.now()
        context = {"secret": secret, "state": secret.state(now), "hosts": hosts_on(secret)}
        return render(request, "apikeys/secret_end.html", _context(key) | context)
    try:
        services.end_secret(key=key, secret_id=secret.pk, by=caller.actor)
    except KeywayError as error:
        messages.error(request, f"{key.name}: {error.detail}")
    else:
        messages.success(request, f"Ended {secret.mask} of {key.name}. It no longer works.")
    return HttpResponseRedirect(_back(key))


def _found(request: HttpRequest, key_id: uuid.UUID) -> tuple[Caller, Key]:
    """Return the key and the person who may change it. Raises Http404 and PermissionDenied."""
    caller = Caller.person(person(request), client_ip(request.META))
    try:
        return caller, caller.find_to_change(key_id)
    except NoAccess as error:
        raise Http404(error.detail) from error
    except KeywayError as error:
        raise PermissionDenied(error.detail) from error


def _form(request: HttpRequest, form: RotationForm, key: Key) -> HttpResponse:
    context = _context(key) | {"form": form, "usable": key.usable_secrets(timezone.now())}
    status = 422 if request.method == "POST" else 200
    return render(request, "apikeys/key_rotate.html", context, status=status)


def _context(key: Key) -> dict[str, object]:
    return {"key": key, "is_agent": key.kind == Kind.AGENT, "back": _back(key)}


def _back(key: Key) -> str:
    if key.kind == Kind.AGENT:
        return reverse("agent_key_usage", args=[key.organization.slug, key.pk])
    return reverse("public_key_usage", args=[key.pk])
