"""Verify keys and access tokens in plain Django views.

For Django REST framework, use keyway.django.rest. Set KEYWAY_BASE_URL in Django's settings or in
the environment.
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
    """Return the process's verifier. It connects on first use, so a server may fork before that."""
    return Verifier(
        base_url=getattr(settings, "KEYWAY_BASE_URL", None),
        allow_plain_http=getattr(settings, "KEYWAY_ALLOW_PLAIN_HTTP", False),
    )


def require_key(
    *, scope: str | None = None, environment: str | None = None, organization: str | None = None
) -> Callable[[View], View]:
    """Require a valid key or token; its Identity becomes ``request.keyway``.

    Decorates sync and async views. Cookies do not authenticate, so the view is CSRF-exempt.
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
    """Return the identity that `require_key` verified."""
    identity: Identity = request.keyway  # type: ignore[attr-defined]
    return identity


def incoming(request: HttpRequest) -> Incoming:
    """Describe the request for the verifier.

    `client_ip` is REMOTE_ADDR. Behind proxies, configure the server to put the caller's address
    there.
    """
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
    """Return the denial as ``application/problem+json``."""
    return HttpResponse(
        denied.body, "application/problem+json", denied.status, headers=dict(denied.headers)
    )
