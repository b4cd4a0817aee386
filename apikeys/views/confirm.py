"""Confirmation pages for revoking, pausing and resuming a key."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone

from apikeys import services
from apikeys.models import Key
from apikeys.views.came_from import ReturnPage
from apikeys.views.forms import ReasonForm
from apikeys.views.listing import KeyRow
from audit.trail.actor import Actor
from config.lib.errors import KeywayError
from tenants.sign_in.recent import kept_fields


@dataclass(frozen=True, slots=True)
class KeyAction:
    """`service` carries the action out; `done` is the message shown afterwards."""

    verb: str
    template: str
    service: Callable[[Key, Actor, str], object]
    done: str


def _revoke(key: Key, by: Actor, reason: str) -> None:
    services.revoke(key=key, by=by, reason=reason)


REVOKE = KeyAction("Revoke", "apikeys/revoke.html", _revoke, "Revoked {name}. It no longer works.")
# The agent keys' dialog calls it Delete, as its document does. The row stays for the record.
DELETE = KeyAction(
    "Delete",
    "apikeys/revoke.html",
    _revoke,
    "Deleted {name}. The key is revoked and no longer works.",
)
PAUSE = KeyAction(
    "Pause",
    "apikeys/pause.html",
    lambda key, by, _: services.pause(key=key, by=by),
    "Paused {name}. It will not work until you resume it.",
)
RESUME = KeyAction(
    "Resume",
    "apikeys/resume.html",
    lambda key, by, _: services.resume(key=key, by=by),
    "Resumed {name}.",
)


def confirm(
    request: HttpRequest, action: KeyAction, *, key: Key, by: Actor, back: ReturnPage
) -> HttpResponse:
    data = request.POST if request.method == "POST" else kept_fields(request)
    form = ReasonForm(data, key=key)
    if request.method != "POST" or not form.is_valid():
        context = {
            "form": form,
            "row": KeyRow(key, timezone.now()),
            "key": key,
            "action": action,
            "back": back,
        }
        return render(
            request, action.template, context, status=422 if request.method == "POST" else 200
        )
    try:
        action.service(key, by, form.cleaned_data["reason"])
    except KeywayError as error:
        messages.error(request, f"{key.name}: {error.detail}")
    else:
        messages.success(request, action.done.format(name=key.name))
    return HttpResponseRedirect(back.url)
