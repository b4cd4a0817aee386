from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tenants.changes import leases


class LeaseMiddleware:
    """An answer leaves only when all that it took away is away everywhere: one wait, however many keys it touched."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with leases.one_wait():
            return self.get_response(request)
