"""The one response that holds a secret, and what is answered when its form is sent again."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apikeys.models import Key
from apikeys.services import Issued


def reveal(request: HttpRequest, template: str, issued: Issued, **context: Any) -> HttpResponse:
    """Answer the POST itself with the secret: no redirect, so it gets into no session, message, address or log.

    The template is handed the wrapped plaintext, whose repr hides it, because an error page shows what templates were handed.
    """
    return disclose(request, template, key=issued.key, plaintext=issued.plaintext, **context)


def disclose(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    response = render(request, template, context)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def already_created(request: HttpRequest, *, idempotency_key: str, **context: Any) -> HttpResponse:
    """A form issues one key, however often it is sent: say so, and show the way on."""
    key = Key.objects.filter(created_by=request.user.pk, idempotency_key=idempotency_key).first()
    return render(request, "apikeys/already_created.html", {"key": key, **context}, status=409)
