import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from config.lib.addresses import is_call
from config.lib.client_ip import client_ip
from tenants.sign_in.sessions import note_use


class TimeZoneMiddleware:
    """Show times in the signed-in user's time zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Threads are reused, so clear the zone that the previous request may have left behind.
        timezone.deactivate()
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: object) -> None:
        # The API answers in UTC, and a page without a session must not cost a query.
        if is_call(request.path_info) or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return
        if request.user.is_authenticated:
            try:
                timezone.activate(zoneinfo.ZoneInfo(request.user.time_zone))
            except (zoneinfo.ZoneInfoNotFoundError, ValueError):
                timezone.deactivate()


class SessionUseMiddleware:
    """Record when and from where each browser session was used last."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: object) -> None:
        if is_call(request.path_info) or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return
        if request.user.is_authenticated and request.session.session_key:
            address = client_ip(request.META)
            note_use(request.session.session_key, address=address, at=timezone.now())
