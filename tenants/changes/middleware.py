from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tenants.changes import leases


class LeaseMiddleware:
    """Hold a response until every change it made is in force in all processes.

    One wait per request, however many keys it touched.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with leases.one_wait():
            return self.get_response(request)
