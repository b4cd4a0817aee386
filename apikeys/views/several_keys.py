"""Settings → API Keys → Pause, Revoke: one confirmation for the selected keys."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apikeys import services
from apikeys.errors import NotKeyOwner
from apikeys.models import Key
from apikeys.services import KeyOutcome
from apikeys.services.callers import Caller
from apikeys.views.came_from import ReturnPage, came_from
from apikeys.views.forms import SeveralForm
from apikeys.views.listing import KeyRow
from audit.trail.actor import Actor
from config.lib.errors import KeywayError
from config.lib.ids import decode
from tenants.access import Access
from tenants.decorators import member_page
from tenants.errors import Forbidden, NoAccess
from tenants.roles import Permission
from tenants.sign_in.recent import kept_fields, recent_sign_in

MOST_KEYS = 100
TYPED_FROM = 11


@dataclass(frozen=True, slots=True)
class SeveralAction:
    """`applies` says whether a key's state allows it, and `service` carries it out."""

    verb: str
    done: str
    ends: bool
    applies: Callable[[KeyRow], bool]
    service: Callable[[Sequence[Key], Actor, str], list[KeyOutcome]]

    def phrase(self, count: int) -> str:
        """What to type before many keys change at once, or "" for few."""
        return f"{self.verb.lower()} {count} keys" if count >= TYPED_FROM else ""


PAUSE = SeveralAction(
    "Pause",
    "Paused",
    ends=False,
    applies=lambda row: row.can_pause,
    service=lambda keys, by, _: services.pause_each(keys=keys, by=by),
)
REVOKE = SeveralAction(
    "Revoke",
    "Revoked",
    ends=True,
    applies=lambda row: not row.key.revoked_at,
    service=lambda keys, by, reason: services.revoke_each(keys=keys, by=by, reason=reason),
)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A selected key that will not change. `key` is None if the user may not see it."""

    public_id: str
    key: Key | None
    reason: str


@require_http_methods(["GET", "POST"])
@member_page(Permission.READ_ACTIVITY)
@recent_sign_in
def settings_keys_pause(request: HttpRequest, access: Access) -> HttpResponse:
    return _several(request, access, PAUSE)


@require_http_methods(["GET", "POST"])
@member_page(Permission.READ_ACTIVITY)
@recent_sign_in
def settings_keys_revoke(request: HttpRequest, access: Access) -> HttpResponse:
    return _several(request, access, REVOKE)


def _several(request: HttpRequest, access: Access, action: SeveralAction) -> HttpResponse:
    url = reverse("settings_api_keys", args=[access.organization.slug])
    back = came_from(request, default=ReturnPage(url, "settings_api_keys"))
    data = request.POST if request.method == "POST" else kept_fields(request)
    chosen = (data or request.GET).getlist("key")
    rows, refused = _sort_out(Caller.at(access), access, chosen, action, timezone.now())
    if not rows and not refused:
        messages.info(request, "Select at least one key.")
        return HttpResponseRedirect(back.url)
    context = {"organization": access.organization, "action": action, "back": back}
    form = SeveralForm(data, phrase=action.phrase(len(rows)), has_reason=action.ends)
    if request.method != "POST" or not form.is_valid() or not rows:
        context |= {"form": form, "rows": rows, "refused": refused}
        status = 422 if request.method == "POST" else 200
        return render(request, "apikeys/several.html", context, status=status)
    outcomes = action.service(
        [row.key for row in rows], access.actor, form.cleaned_data.get("reason", "")
    )
    context |= {"outcomes": outcomes, "refused": refused}
    return render(request, "apikeys/several_done.html", context)


def _sort_out(
    caller: Caller, access: Access, chosen: Iterable[str], action: SeveralAction, at: datetime
) -> tuple[list[KeyRow], list[Unchanged]]:
    """Split the selected keys into those that will change and those that will not."""
    rows: list[KeyRow] = []
    refused: list[Unchanged] = []
    ids = {public_id: _id(public_id) for public_id in list(dict.fromkeys(chosen))[:MOST_KEYS]}
    seen = caller.keys_in(access.organization).select_related("organization", "owner__user")
    found = seen.prefetch_related("secrets").in_bulk([key_id for key_id in ids.values() if key_id])
    for public_id, key_id in ids.items():
        key = found.get(key_id) if key_id else None
        if refusal := _refusal(caller, key_id, key, to_end=action.ends):
            refused.append(Unchanged(public_id, None, refusal.detail))
            continue
        assert key is not None  # noqa: S101  or it would have been refused
        row = KeyRow(key, at)
        if action.applies(row):
            rows.append(row)
        else:
            refused.append(Unchanged(public_id, key, f"Unchanged: {row.status.label.lower()}."))
    return rows, refused


def _refusal(
    caller: Caller, key_id: uuid.UUID | None, key: Key | None, *, to_end: bool
) -> KeywayError | None:
    """Say why the user cannot change the key. `key` is None if it is not among those they see."""
    try:
        if key:
            caller.require_change(key, to_end=to_end)
            return None
        if key_id:
            caller.find(key_id)  # tells a colleague's key from an unknown one
    except (NoAccess, NotKeyOwner, Forbidden) as error:
        return error
    # Unknown, or the user's own key in another organization, which this page does not change.
    return NoAccess()


def _id(public_id: str) -> uuid.UUID | None:
    try:
        return decode("key", public_id)
    except ValueError:
        return None
