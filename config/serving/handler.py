"""Django's WSGI handler with a fast path for API calls that opened no database connection."""

from collections.abc import Iterable
from typing import cast
from wsgiref.types import StartResponse, WSGIEnvironment

from django.core.handlers.wsgi import WSGIHandler, get_script_name
from django.db import connections
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import set_script_prefix

from config.lib.addresses import is_call


class Handler(WSGIHandler):
    """Skip Django's request signals if there is no connection to release.

    Sending them costs more than verifying a key. tests/config/test_handler.py proves that a call
    returns its connection, and that one without a connection sends no signal.
    """

    def __call__(  # type: ignore[override]  # servers accept any iterable
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if not is_call(environ["PATH_INFO"]):
            return super().__call__(environ, start_response)
        set_script_prefix(get_script_name(environ))
        request = self.request_class(environ)
        response = self.get_response(request)
        cookies = [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
        start_response(
            f"{response.status_code} {response.reason_phrase}", [*response.items(), *cookies]
        )
        if isinstance(response, StreamingHttpResponse) or is_connected():
            return response  # the server closes it, and Django then sends request_finished
        request.close()
        return [cast("HttpResponse", response).content]


def is_connected() -> bool:
    """Return whether this thread holds a database connection that request_finished must release."""
    return any(
        connection.connection is not None for connection in connections.all(initialized_only=True)
    )
