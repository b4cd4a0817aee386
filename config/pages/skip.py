"""Middleware that only pages need. API calls have no forms, no messages and rarely a session.

Skipping eleven layers costs an API call about 4 µs. Running them would cost more than verifying its
key.
"""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.common import CommonMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from config.lib.addresses import is_call
from config.pages.csp import ContentSecurityPolicyMiddleware
from config.pages.library_methods import LibraryMethodsMiddleware


def pages_only(middleware: type[Any]) -> type[Any]:
    """Return a subclass of `middleware` that skips API calls.

    A subclass, so that Django's checks still recognize it. Do not use it for middleware with hooks
    such as `process_view`, because Django calls those whatever `__call__` does.
    """

    class PagesOnly(middleware):  # type: ignore[misc]
        def __call__(self, request: HttpRequest) -> HttpResponse:
            if is_call(request.path_info):
                response: HttpResponse = self.get_response(request)
                return response
            return super().__call__(request)  # type: ignore[no-any-return]

    PagesOnly.__name__ = PagesOnly.__qualname__ = middleware.__name__
    return PagesOnly


Authentication = pages_only(AuthenticationMiddleware)
Common = pages_only(CommonMiddleware)
ContentSecurityPolicy = pages_only(ContentSecurityPolicyMiddleware)
LibraryMethods = pages_only(LibraryMethodsMiddleware)
Messages = pages_only(MessageMiddleware)
Session = pages_only(SessionMiddleware)
StaticFiles = pages_only(WhiteNoiseMiddleware)
