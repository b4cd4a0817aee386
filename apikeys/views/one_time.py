"""The one response that holds a secret, and the response to submitting its form again."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apikeys.models import Key
from apikeys.services import Issued


def reveal(request: HttpRequest, template: str, issued: Issued, **context: Any) -> HttpResponse:
    """Answer the POST itself with the secret.

    Redirecting to a page that shows it would need a place to keep the secret until then: a session,
    a message, an address or a cache, each of which stores or logs it.
    """
    # The wrapper, not the text: error reports print a template's context, and its repr hides the
    # text.
    response = disclose(request, template, key=issued.key, plaintext=issued.plaintext, **context)
    # After rendering, so that the next page shows it: the list, where the new row is marked.
    messages.success(request, f"Created {issued.key.name}.")
    return response


def disclose(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    response = render(request, template, context)
    # Without no-store, Back and the browser's disk cache would show the secret again.
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def already_created(request: HttpRequest, *, idempotency_key: str, **context: Any) -> HttpResponse:
    """Explain that this form has already created its key, and link to the key list."""
    # By user too: a nonce of another user never validates, and must not reveal that user's key.
    key = Key.objects.filter(created_by=request.user.pk, idempotency_key=idempotency_key).first()
    return render(request, "apikeys/already_created.html", {"key": key, **context}, status=409)
