import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apikeys.verify import throttling
from apikeys.verify.usage_note import record
from config.lib import problems
from config.lib.problems import ApiProblem


class UsageMiddleware:
    """Records each request that presented a secret before its answer leaves; a streamed one before it begins.

    Outermost, so that it sees what is really answered, errors included, and how long it took.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        route = f"/{request.resolver_match.route}" if request.resolver_match else ""
        if record(request.META, began=began, status=response.status_code, route=route):
            return response
        # The response that is dropped is not closed: closing one ends the request, and this one's answer does that.
        return problems.respond(ApiProblem("unavailable"))


class RateLimitMiddleware:
    """Tells callers of the API where they stand, on every answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in throttling.fields(request.META):
            response.headers[name] = value
        return response
