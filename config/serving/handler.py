"""The WSGI handler: Django's, except that a call of the API which opened no connection ends at once."""

from collections.abc import Iterable
from typing import cast
from wsgiref.types import StartResponse, WSGIEnvironment

from django.core.handlers.wsgi import WSGIHandler, get_script_name
from django.db import connections
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import set_script_prefix

from config.lib.addresses import is_call


class Handler(WSGIHandler):
    """Leaves out Django's signals where they have nothing to end: sending them costs more than verifying a key.

    tests/config/test_handler.py holds both halves: a call gives its connection back, and one without sends nothing.
    """

    def __call__(  # type: ignore[override]  # what a server iterates over need not be a response
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
            return response  # the server closes it, which sends request_finished
        request.close()
        return [cast("HttpResponse", response).content]


def is_connected() -> bool:
    """Whether this thread holds a connection to the database, which request_finished would give back."""
    return any(
        connection.connection is not None for connection in connections.all(initialized_only=True)
    )
