"""Require a recent sign-in before a change to keys, members or security settings."""

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

SINGLE_SIGN_ON = "sso"
PROVING = frozenset({"password", "mfa", SINGLE_SIGN_ON})
_KEPT = "kept_fields"
_KEPT_CHARACTERS = 32_768

View = Callable[..., HttpResponse]


def person(request: HttpRequest) -> User:
    """Return the signed-in user. Only for views behind `login_required` or `member_page`."""
    return cast("User", request.user)


def recent_sign_in(view: View) -> View:
    """Ask users to confirm their identity, then return them to the form with its fields filled in.

    allauth can suspend a POST and resume it after reauthentication. That was rejected: it stores
    the request, cookies and headers included, in the session, and would carry out a change
    requested hours ago. Here the user sees the form again and submits it.
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
    """Return whether this session proved a password or second factor recently.

    Signing in counts. allauth counts only reauthentication and would ask for the password again
    right after signing in.
    """
    oldest = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    # Only records of this user: the session may hold those of a user who signed in before.
    records = get_authentication_records(request, request.user)
    # Only these prove identity. allauth also records weaker methods, such as a link in an email,
    # and a stolen mailbox must not be enough to issue keys. Single sign-on records when the
    # provider asked for a sign-in, not when it remembered one.
    return any(record["at"] > oldest for record in records if record["method"] in PROVING)


def _keep(request: HttpRequest) -> None:
    if request.method != "POST":
        return
    fields = request.POST.copy()
    fields.pop("csrfmiddlewaretoken", None)
    encoded = fields.urlencode()
    if len(encoded) <= _KEPT_CHARACTERS:
        request.session[_KEPT] = {"path": request.path, "fields": encoded}


def kept_fields(request: HttpRequest) -> QueryDict | None:
    """Return the fields being submitted to this page when it asked for a sign-in. Only once."""
    kept = request.session.get(_KEPT)
    if request.method != "GET" or not kept or kept["path"] != request.path:
        return None
    del request.session[_KEPT]
    return QueryDict(kept["fields"])
