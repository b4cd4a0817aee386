"""Middleware for usage records and rate limit headers."""

import time
from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apikeys.verify import throttling
from apikeys.verify.presentation import note_key
from apikeys.verify.usage_note import record
from config.lib import problems
from config.lib.problems import ApiProblem

NOT_FOUND_ROUTE = "(unknown address)"


class UsageMiddleware:
    """Record each request that presented a secret before its response is sent.

    A streamed response is recorded before it starts. Only MetricsMiddleware is further outside, so
    this one sees the final status, errors included, and the full duration.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        route = f"/{request.resolver_match.route}" if request.resolver_match else ""
        if not route and response.status_code == HTTPStatus.NOT_FOUND:
            # No view has verified the key. One name for all unknown addresses, because callers can
            # make up any number of paths, and a path may hold a secret.
            route = NOT_FOUND_ROUTE
            note_key(request.META, at=timezone.now())
        if record(request.META, began=began, status=response.status_code, route=route):
            return response
        # Usage could not be recorded. Do not close the dropped response, because closing one ends
        # the request. The new response does that.
        return problems.respond(ApiProblem("unavailable"))


class RateLimitMiddleware:
    """Add the caller's rate limit standings to every API response."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in throttling.fields(request.META):
            response.headers[name] = value
        return response
