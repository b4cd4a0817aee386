"""``@key_page()`` gives a view its caller and the key of its address, or refuses."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase

from apikeys.errors import NotKeyOwner, StrongerThanIssuer
from apikeys.models import Key
from apikeys.services.callers import Caller
from config.lib.client_ip import client_ip
from config.lib.snapshot import one_snapshot
from tenants.decorators import remember
from tenants.errors import Forbidden, NoAccess
from tenants.sign_in.recent import person

View = Callable[..., HttpResponseBase]
KeyView = Callable[Concatenate[HttpRequest, Caller, Key, ...], HttpResponseBase]


def key_page(*, to_change: bool = False, to_end: bool = False) -> Callable[[KeyView], View]:
    """Require that the user may see the key, may change it, or may end it.

    A key of another organization gets the same 404 as one that does not exist. A colleague's key
    gets 403 with the reason, and so does a change that the user's role does not allow.

    A GET reads from one snapshot and cannot write.
    """

    def decorate(view: KeyView) -> View:
        @wraps(view)
        @login_required
        def wrapped(request: HttpRequest, key_id: uuid.UUID, **kwargs: Any) -> HttpResponseBase:
            def answer() -> HttpResponseBase:
                caller = Caller.person(person(request), client_ip(request.META))
                key = _find(caller, key_id, to_change=to_change, to_end=to_end)
                # A key of a former membership has no organization to show in the navigation.
                if place := caller.reach.get(key.organization_id):
                    remember(request, place)
                return view(request, caller, key, **kwargs)

            # The key too is read inside the snapshot, or its status and its figures could differ.
            return one_snapshot()(answer)() if request.method in {"GET", "HEAD"} else answer()

        return wrapped

    return decorate


def _find(caller: Caller, key_id: uuid.UUID, *, to_change: bool, to_end: bool) -> Key:
    try:
        if to_change or to_end:
            return caller.find_to_change(key_id, to_end=to_end)
        return caller.find(key_id)
    except NoAccess as error:
        raise Http404(error.detail) from error
    except (Forbidden, NotKeyOwner, StrongerThanIssuer) as error:
        raise PermissionDenied(error.detail) from error
