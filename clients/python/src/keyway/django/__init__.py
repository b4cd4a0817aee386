"""Keys and access tokens for Django's own views. For Django REST framework there is keyway.django.rest.

KEYWAY_BASE_URL of Django's settings, or else of the environment, says where Keyway is.
"""

import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from keyway.verification import Denied, Identity, Incoming
from keyway.verifier import Verifier

View = Callable[..., Any]


@cache
def verifier() -> Verifier:
    """One for the process. It connects when it is first asked, so that workers may be forked before."""
    return Verifier(
        base_url=getattr(settings, "KEYWAY_BASE_URL", None),
        allow_plain_http=getattr(settings, "KEYWAY_ALLOW_PLAIN_HTTP", False),
    )


def require_key(
    *, scope: str | None = None, environment: str | None = None, organization: str | None = None
) -> Callable[[View], View]:
    """Let in whom Keyway lets in; their Identity is ``request.keyway``. For sync and async views.

    Cookies play no part in it, so the view is exempt from CSRF's check.
    """

    def ask(request: HttpRequest) -> HttpResponse | None:
        try:
            identity = verifier().verify(
                incoming(request), scope=scope, environment=environment, organization=organization
            )
        except Denied as denied:
            return answer(denied)
        request.keyway = identity  # type: ignore[attr-defined]
        return None

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return ask(request) or view(request, *args, **kwargs)

        @wraps(view)
        async def checked_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return await sync_to_async(ask, thread_sensitive=False)(request) or await view(
                request, *args, **kwargs
            )

        chosen: Any = checked_async if inspect.iscoroutinefunction(view) else checked
        chosen.csrf_exempt = True
        return chosen  # type: ignore[no-any-return]

    return decorate


def identity_of(request: HttpRequest) -> Identity:
    """Whose key or token `require_key` let in."""
    identity: Identity = request.keyway  # type: ignore[attr-defined]
    return identity


def incoming(request: HttpRequest) -> Incoming:
    """`client_ip` is REMOTE_ADDR: let the server put the caller's address there if there are proxies in front."""
    return Incoming(
        key=request.META.get("HTTP_X_API_KEY"),
        authorization=request.META.get("HTTP_AUTHORIZATION"),
        method=request.method or "",
        uri=request.path,
        client_ip=request.META.get("REMOTE_ADDR", ""),
        organization=request.META.get("HTTP_X_ORGANIZATION_ID"),
        user_agent=request.META.get("HTTP_USER_AGENT", ""),
    )


def answer(denied: Denied) -> HttpResponse:
    """The refusal as ``application/problem+json``."""
    return HttpResponse(
        denied.body, "application/problem+json", denied.status, headers=dict(denied.headers)
    )
