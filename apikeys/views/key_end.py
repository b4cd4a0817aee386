"""Revoke, pause and resume a key."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from apikeys.models import Key
from apikeys.services.callers import Caller
from apikeys.views.came_from import return_page
from apikeys.views.confirm import PAUSE, RESUME, REVOKE, KeyAction, confirm
from apikeys.views.door import key_page
from tenants.sign_in.recent import recent_sign_in


@require_http_methods(["GET", "POST"])
@key_page(to_end=True)
@recent_sign_in
def key_revoke(request: HttpRequest, caller: Caller, key: Key) -> HttpResponse:
    return _confirm(request, REVOKE, caller, key)


@require_http_methods(["GET", "POST"])
@key_page(to_change=True)
@recent_sign_in
def key_pause(request: HttpRequest, caller: Caller, key: Key) -> HttpResponse:
    return _confirm(request, PAUSE, caller, key)


@require_http_methods(["GET", "POST"])
@key_page(to_change=True)
@recent_sign_in
def key_resume(request: HttpRequest, caller: Caller, key: Key) -> HttpResponse:
    return _confirm(request, RESUME, caller, key)


def _confirm(request: HttpRequest, action: KeyAction, caller: Caller, key: Key) -> HttpResponse:
    return confirm(request, action, key=key, by=caller.actor, back=return_page(request, key))
