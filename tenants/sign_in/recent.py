"""Recent sign-in: who gives or takes power proves again who they are when the last proof is minutes old."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict

from tenants.models import User

_KEPT = "kept_fields"
_KEPT_CHARACTERS = 32_768

View = Callable[..., HttpResponse]


def person(request: HttpRequest) -> User:
    """Whoever is signed in. Only for views behind `login_required` or `member_page`."""
    return cast("User", request.user)


def recent_sign_in(view: View) -> View:
    """Send whoever signed in too long ago to do it again, then back to the same page with the same fields.

    allauth can suspend a POST and carry it out by itself afterwards. That is not used: it would keep the request with
    its cookies and headers in the session, and carry out something that was asked for hours ago. Here the person comes
    back to the form, reads it, and sends it.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_recent(request):
            return view(request, *args, **kwargs)
        methods = get_adapter(request).get_reauthentication_methods(request.user)
        if not methods:
            raise PermissionDenied("This needs a recent sign-in. Sign out and sign in again.")
        _keep(request)
        return HttpResponseRedirect(
            f"{methods[0]['url']}?{urlencode({'next': request.get_full_path()})}"
        )

    return wrapped


def is_recent(request: HttpRequest) -> bool:
    """Whether this session proved a password or a second factor lately, by signing in or again afterwards.

    allauth counts only the latter, so that it would ask for the password twice within a minute.
    """
    oldest = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    records = get_authentication_records(request, request.user)
    return any(
        record["at"] > oldest for record in records if record["method"] in {"password", "mfa"}
    )


def _keep(request: HttpRequest) -> None:
    if request.method != "POST":
        return
    fields = request.POST.copy()
    fields.pop("csrfmiddlewaretoken", None)
    encoded = fields.urlencode()
    if len(encoded) <= _KEPT_CHARACTERS:
        request.session[_KEPT] = {"path": request.path, "fields": encoded}


def kept_fields(request: HttpRequest) -> QueryDict | None:
    """What was being sent to this page when it asked for a sign-in, once."""
    kept = request.session.get(_KEPT)
    if request.method != "GET" or not kept or kept["path"] != request.path:
        return None
    del request.session[_KEPT]
    return QueryDict(kept["fields"])
