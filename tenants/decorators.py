"""The door for views: ``@member_page(Permission.X)`` hands a view the Access it may use, or refuses."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase

from config.lib.client_ip import client_ip
from tenants.access import Access, enter
from tenants.errors import Forbidden, NoAccess
from tenants.roles import Permission

LAST_ORGANIZATION = "organization"

View = Callable[..., HttpResponseBase]
AccessView = Callable[Concatenate[HttpRequest, Access, ...], HttpResponseBase]


def member_page(permission: Permission) -> Callable[[AccessView], View]:
    """The view's URL names the organization by `slug`; outsiders get the same 404 as for one that does not exist."""

    def decorate(view: AccessView) -> View:
        @wraps(view)
        @login_required
        def wrapped(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponseBase:
            try:
                access = enter(request.user, slug, permission, address=client_ip(request.META))  # type: ignore[arg-type]
            except NoAccess as error:
                raise Http404(error.detail) from error
            except Forbidden as error:
                raise PermissionDenied(error.detail) from error
            request.access = access  # type: ignore[attr-defined]
            if request.session.get(LAST_ORGANIZATION) != slug:
                request.session[LAST_ORGANIZATION] = slug
            return view(request, access, **kwargs)

        return wrapped

    return decorate
