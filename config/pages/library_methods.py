"""Which methods the pages of libraries take."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

LIBRARIES = ("/accounts/", "/admin/")
_METHODS = ("GET", "HEAD", "POST")


class LibraryMethodsMiddleware:
    """Pages are read, and forms are sent to them. By themselves these would take a TRACE for a GET, and a PUT for a POST."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in _METHODS and request.path_info.startswith(LIBRARIES):
            return HttpResponseNotAllowed(_METHODS)
        return self.get_response(request)
