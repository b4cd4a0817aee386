"""Answers before Django: a few lines of WSGI for what must cost nothing, or work when little else does."""

from collections.abc import Callable, Iterable
from functools import wraps
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

TEXT = "text/plain; charset=utf-8"
METHODS = ("GET", "HEAD")

Application = Callable[[WSGIEnvironment, StartResponse], list[bytes]]


def reading(application: Application) -> Application:
    """Answer 405 to whatever does not only read."""

    @wraps(application)
    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        if environ["REQUEST_METHOD"] in METHODS:
            return application(environ, start_response)
        allowed = [("Allow", ", ".join(METHODS)), ("Content-Type", TEXT)]
        words = b"method not allowed\n"
        return answer(
            environ, start_response, HTTPStatus.METHOD_NOT_ALLOWED, headers=allowed, body=words
        )

    return wrapped


def answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: HTTPStatus,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> list[bytes]:
    """Answer GET and HEAD alike, the latter without the body. A 204 has no length."""
    length = [] if status is HTTPStatus.NO_CONTENT else [("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", [*headers, *length])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def text(
    environ: WSGIEnvironment, start_response: StartResponse, status: HTTPStatus, words: str
) -> list[bytes]:
    headers = [("Content-Type", TEXT), ("Cache-Control", "no-store")]
    return answer(environ, start_response, status, headers=headers, body=f"{words}\n".encode())
