"""Pages for what went wrong. The API's answers are made in apikeys.problems."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apikeys.hashing import PoolFull
from audit.errors import TrailUnavailable

RETRY_AFTER_SECONDS = 2


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """503 with Retry-After while the database or the trail is away or no core is free to hash; otherwise 500.

    Rendered without the request: the context processors would ask the database again.
    """
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError | TrailUnavailable | PoolFull):
        response = render(None, "503.html", status=503)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return render(None, "500.html", status=500)
