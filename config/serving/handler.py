"""How Django answers: a page passes through MIDDLEWARE, a call of the API through API_MIDDLEWARE.

A call brings no form, no message and seldom a session, and pays for none; whoever takes one of a browser loads it
(apikeys.api.authentication.SessionAuthentication). Signing in goes the way of pages, whose limits and flows are allauth's.
"""

from collections.abc import Iterable
from typing import Any, cast
from wsgiref.types import StartResponse, WSGIEnvironment

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler, get_script_name
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import set_script_prefix
from django.utils.module_loading import import_string

API = "/api/v1/"
SIGN_IN = "/api/v1/auth/"


def is_call(path: str) -> bool:
    return path.startswith(API) and not path.startswith(SIGN_IN)


class _Calls(BaseHandler):
    """API_MIDDLEWARE are callables alone: hooks of views, templates and exceptions are not asked for."""

    def __init__(self) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        # What a view raises becomes an answer here, so that the middleware around it sees one; not at every layer of it.
        chain = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]  # not in the stubs
        for path in reversed(settings.API_MIDDLEWARE):
            chain = import_string(path)(chain)
        self._middleware_chain = convert_exception_to_response(chain)


class ByKindOfRequest(BaseHandler):
    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002  as Django has it
        super().load_middleware(is_async)
        self._calls = _Calls()

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        if is_call(request.path_info):
            return self._calls.get_response(request)
        return super().get_response(request)


class Handler(ByKindOfRequest, WSGIHandler):
    """Ends a call by itself where Django has nothing to end: to send its signals costs more than to verify a key."""

    def __call__(  # type: ignore[override]  # what a server iterates over need not be a response
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if not is_call(environ["PATH_INFO"]):
            return super().__call__(environ, start_response)
        set_script_prefix(get_script_name(environ))
        request = self.request_class(environ)
        response = self.get_response(request)
        response._handler_class = self.__class__  # type: ignore[attr-defined]  # noqa: SLF001  as Django itself does
        cookies = [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
        start_response(
            f"{response.status_code} {response.reason_phrase}", [*response.items(), *cookies]
        )
        if isinstance(response, StreamingHttpResponse) or is_connected():
            return response  # the server closes it, which sends request_finished
        request.close()
        return [cast("HttpResponse", response).content]


def is_connected() -> bool:
    """Tell whether this thread holds a connection to the database, which request_finished would close or give back."""
    return any(
        connection.connection is not None for connection in connections.all(initialized_only=True)
    )
