"""Rotate a key, and End now for one of its secrets."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
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
from apikeys.views.came_from import return_page
from apikeys.views.door import key_page
from apikeys.views.one_time import disclose
from apikeys.views.rotation_form import RotationForm
from config.lib.errors import KeywayError
from tenants.sign_in.recent import kept_fields, person, recent_sign_in


@require_http_methods(["GET", "POST"])
@key_page(to_change=True)
@recent_sign_in
def key_rotate(request: HttpRequest, caller: Caller, key: Key) -> HttpResponse:
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = RotationForm(data, user=person(request), key=key)
    if request.method != "POST" or not form.is_valid():
        return _form(request, form, key)
    try:
        throttling.issue(by=caller.throttled_as)
        rotated = services.rotate(
            key=key,
            overlap=form.overlap(),
            within=caller.authority_in(key.organization_id),
            by=caller.actor,
            idempotency_key=form.idempotency_key,
        )
    except AlreadyRotated:
        return render(request, "apikeys/already_rotated.html", _context(request, key), status=409)
    except KeywayError as error:
        form.add_error(None, error.detail)
        return _form(request, form, key)
    context = _context(request, key) | {"rotated": rotated, "plaintext": rotated.plaintext}
    return disclose(request, "apikeys/rotated.html", **context)


@require_http_methods(["GET", "POST"])
@key_page(to_change=True)
@recent_sign_in
def key_end_secret(
    request: HttpRequest, caller: Caller, key: Key, secret_id: uuid.UUID
) -> HttpResponse:
    secret = get_object_or_404(Secret.objects.filter(key=key).select_related("key"), pk=secret_id)
    if request.method != "POST":
        now = timezone.now()
        context = {
            "crumb": "End now",
            "secret": secret,
            "state": secret.state(now),
            "hosts": hosts_on(secret),
        }
        return render(request, "apikeys/secret_end.html", _context(request, key) | context)
    try:
        services.end_secret(key=key, secret_id=secret.pk, by=caller.actor)
    except KeywayError as error:
        messages.error(request, f"{key.name}: {error.detail}")
    else:
        messages.success(request, f"Ended {secret.mask} of {key.name}. It no longer works.")
    return HttpResponseRedirect(return_page(request, key).url)


def _form(request: HttpRequest, form: RotationForm, key: Key) -> HttpResponse:
    context = _context(request, key) | {"form": form, "usable": key.usable_secrets(timezone.now())}
    status = 422 if request.method == "POST" else 200
    return render(request, "apikeys/key_rotate.html", context, status=status)


def _context(request: HttpRequest, key: Key) -> dict[str, object]:
    back = return_page(request, key).url
    return {"key": key, "is_agent": key.kind == Kind.AGENT, "back": back, "crumb": "Rotate"}
