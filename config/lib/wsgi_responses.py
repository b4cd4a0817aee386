"""Minimal WSGI responses for paths before Django, which must be cheap or work during an outage."""

from collections.abc import Callable, Iterable
from functools import wraps
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

TEXT = "text/plain; charset=utf-8"
SAFE_METHODS = ("GET", "HEAD")

Application = Callable[[WSGIEnvironment, StartResponse], list[bytes]]


def safe_methods_only(application: Application) -> Application:
    """Decorate a WSGI application to respond with 405 to all methods but GET and HEAD."""

    @wraps(application)
    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        if environ["REQUEST_METHOD"] in SAFE_METHODS:
            return application(environ, start_response)
        allowed = [("Allow", ", ".join(SAFE_METHODS)), ("Content-Type", TEXT)]
        words = b"method not allowed\n"
        return respond(
            environ, start_response, HTTPStatus.METHOD_NOT_ALLOWED, headers=allowed, body=words
        )

    return wrapped


def respond(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: HTTPStatus,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> list[bytes]:
    """Respond to GET or HEAD. HEAD gets no body, and a 204 no Content-Length."""
    length = [] if status is HTTPStatus.NO_CONTENT else [("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", [*headers, *length])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def respond_text(
    environ: WSGIEnvironment, start_response: StartResponse, status: HTTPStatus, words: str
) -> list[bytes]:
    headers = [("Content-Type", TEXT), ("Cache-Control", "no-store")]
    return respond(environ, start_response, status, headers=headers, body=f"{words}\n".encode())
