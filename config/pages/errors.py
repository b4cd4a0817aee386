"""Error pages, and problems for API calls."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults

from config.lib import logs, problems
from config.lib.addresses import API
from config.lib.errors import Unavailable
from config.lib.problems import ApiProblem

RETRY_AFTER_SECONDS = 2


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path_info.startswith(API):
        return problems.respond(ApiProblem("not_found"))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Respond with 503 and Retry-After if the cause is temporary, otherwise with 500.

    Temporary are an unreachable database, an unwritable trail and a full hashing pool. Renders
    without the request, because the context processors would query the database again.
    """
    is_temporary = isinstance(sys.exc_info()[1], OperationalError | InterfaceError | Unavailable)
    if request.path_info.startswith(API):
        return problems.respond(ApiProblem("unavailable" if is_temporary else "internal_error"))
    if is_temporary:
        response = render(None, "503.html", status=503)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return render(None, "500.html", {"request_id": logs.request_id()}, status=500)
