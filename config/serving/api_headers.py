"""Headers of every API response."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from config.lib.addresses import is_call


class ApiHeadersMiddleware:
    """Set Content-Length, and a policy under which browsers neither run nor frame the response."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not is_call(request.path_info):
            return response
        headers = response.headers
        headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        if not response.streaming and "Content-Length" not in headers:
            headers["Content-Length"] = str(len(response.content))
        return response
