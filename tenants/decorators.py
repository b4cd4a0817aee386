"""``@member_page(Permission.X)`` gives a view its Access to an organization, or refuses."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase

from config.lib.client_ip import client_ip
from config.lib.snapshot import one_snapshot
from tenants.access import Access, enter
from tenants.errors import Forbidden, NoAccess
from tenants.roles import Permission

LAST_ORGANIZATION = "organization"

View = Callable[..., HttpResponseBase]
AccessView = Callable[Concatenate[HttpRequest, Access, ...], HttpResponseBase]


def remember(request: HttpRequest, access: Access) -> None:
    """Show this organization in the navigation, and on later pages that belong to none."""
    request.access = access  # type: ignore[attr-defined]
    if request.session.get(LAST_ORGANIZATION) != access.organization.slug:
        request.session[LAST_ORGANIZATION] = access.organization.slug


def member_page(
    permission: Permission, *, in_snapshot: bool = True
) -> Callable[[AccessView], View]:
    """Require a permission in the organization whose `slug` is in the URL.

    Outsiders get the same 404 as for an organization that does not exist, so that URLs do not
    reveal which ones do. Members without the permission get 403.

    A GET reads from one snapshot and cannot write; a view whose GET writes passes
    `in_snapshot=False`.
    """

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
            remember(request, access)
            if in_snapshot and request.method in {"GET", "HEAD"}:
                with one_snapshot():
                    return view(request, access, **kwargs)
            return view(request, access, **kwargs)

        return wrapped

    return decorate


def staff_page(view: View) -> View:
    """Require platform staff. Everyone else gets 403, whatever organization the URL names."""

    @wraps(view)
    @login_required
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_staff:
            raise PermissionDenied("Only platform staff can manage organizations.")
        return view(request, *args, **kwargs)

    return wrapped
