"""Asking before a key is revoked, paused or resumed: a page that names it, says what will happen, and carries it out."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone

from apikeys import services
from apikeys.models import Key
from apikeys.views.forms import ReasonForm
from apikeys.views.listing import Row
from audit.trail.actor import Actor
from config.lib.errors import KeywayError
from tenants.sign_in.recent import kept_fields


@dataclass(frozen=True, slots=True)
class Change:
    """`change` is the service to call; `done` is what is said afterwards."""

    template: str
    change: Callable[[Key, Actor, str], object]
    done: str


def _revoke(key: Key, by: Actor, reason: str) -> None:
    services.revoke(key=key, by=by, reason=reason)


REVOKE = Change("apikeys/revoke.html", _revoke, "Revoked {name}. It is refused from now on.")
# Delete is what an agent key's dialog calls it; the row stays, for the record.
DELETE = Change(
    "apikeys/revoke.html", _revoke, "Deleted {name}: the key is revoked, and refused from now on."
)
PAUSE = Change(
    "apikeys/pause.html",
    lambda key, by, _: services.pause(key=key, by=by),
    "Paused {name}. It is refused until you resume it.",
)
RESUME = Change(
    "apikeys/resume.html", lambda key, by, _: services.resume(key=key, by=by), "Resumed {name}."
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key is managed: the list to go back to, the words used there, and the address of its pause page."""

    back: str
    pause: str
    is_agent: bool


def confirm(
    request: HttpRequest, change: Change, *, key: Key, by: Actor, place: Place
) -> HttpResponse:
    sent = request.POST if request.method == "POST" else kept_fields(request)
    form = ReasonForm(sent, key=key)
    if request.method != "POST" or not form.is_valid():
        context = {"form": form, "row": Row(key, timezone.now()), "key": key, "place": place}
        return render(
            request, change.template, context, status=422 if request.method == "POST" else 200
        )
    try:
        change.change(key, by, form.cleaned_data["reason"])
    except KeywayError as error:
        messages.error(request, f"{key.name}: {error.detail}")
    else:
        messages.success(request, change.done.format(name=key.name))
    return HttpResponseRedirect(place.back)
