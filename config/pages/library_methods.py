"""Restrict the pages of libraries to the methods they need."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

LIBRARIES = ("/accounts/", "/admin/")
_METHODS = ("GET", "HEAD", "POST")


class LibraryMethodsMiddleware:
    """Allow GET, HEAD and POST. Otherwise libraries treat TRACE like GET and PUT like POST."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in _METHODS and request.path_info.startswith(LIBRARIES):
            return HttpResponseNotAllowed(_METHODS)
        return self.get_response(request)
