"""Let pages of other origins call the API: the CORS protocol of the Fetch standard.

A layer around every WSGI application, because the gateway and some refusals answer before Django.
Never with cookies. No answer allows credentials, and this layer removes the cookies of requests
from the named origins. Only a key or a token counts.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from django.conf import settings

from config.lib import wsgi_responses

PATHS = ("/api/", "/v1/")
METHODS = "GET, HEAD, POST, PATCH, DELETE"
# What the API reads. Others stay forbidden, such as a forged X-Forwarded-For.
REQUEST_HEADERS = (
    "Accept, Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Keyway-Environment, "
    "X-Organization-Id"
)
RESPONSE_HEADERS = (
    "Idempotent-Replayed, Link, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, "
    "X-Keyway-Application, X-Keyway-Denial, X-Keyway-Environment, X-Keyway-Key, X-Keyway-Kind, "
    "X-Keyway-Organization, X-Keyway-Owner, X-Keyway-Scopes, X-Request-Id"
)
PREFLIGHT_SECONDS = 600

Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]
Headers = list[tuple[str, str]]


def layer(application: Application) -> Application:
    """Answer preflights, and mark the application's responses for the origins of the setting."""

    @wraps(application)
    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        origins = settings.KEYWAY_CORS_ORIGINS
        if not origins or not environ["PATH_INFO"].startswith(PATHS):
            return application(environ, start_response)
        origin: str = environ.get("HTTP_ORIGIN", "")
        is_named = origin in origins
        shared = _shared(origin) if is_named else []

        def start(status: str, headers: Headers, error: Any = None) -> Callable[[bytes], object]:
            # Also for other origins: a cache must not answer one origin with another's response.
            return start_response(status, [*_varied(headers), *shared], error)

        if is_named and _is_preflight(environ):
            return wsgi_responses.respond(
                environ, start, HTTPStatus.NO_CONTENT, headers=_PERMISSIONS
            )
        if is_named:
            environ.pop("HTTP_COOKIE", None)
        return application(environ, start)

    return wrapped


_PERMISSIONS = (
    ("Access-Control-Allow-Methods", METHODS),
    ("Access-Control-Allow-Headers", REQUEST_HEADERS),
    ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS)),
    ("Cache-Control", "no-store"),
)


def _shared(origin: str) -> Headers:
    return [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", RESPONSE_HEADERS),
    ]


def _varied(headers: Headers) -> Headers:
    """Add `Origin` to the response's `Vary`."""
    known = [value for name, value in headers if name.lower() == "vary"]
    others = [(name, value) for name, value in headers if name.lower() != "vary"]
    return [*others, ("Vary", ", ".join([*known, "Origin"]))]


def _is_preflight(environ: WSGIEnvironment) -> bool:
    return (
        environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    )
