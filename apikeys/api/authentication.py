"""`X-API-Key`, and a browser's session, for Django REST framework: thin over apikeys.verify.presentation."""

from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.authentication import SessionAuthentication as SessionOfDjango
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from apikeys.verify import presentation
from apikeys.verify.denials import Denial
from apikeys.verify.judge import Credential
from apikeys.verify.problems import Refused
from config.lib.problems import CHALLENGE, ApiProblem


class ApiKeyAuthentication(BaseAuthentication):
    """Sets ``request.auth`` to the Credential; ``request.user`` stays None, for a key is not a person.

    A request without any credential is left to the permissions, which answer `missing_key`.
    """

    def authenticate(self, request: Request) -> tuple[None, Credential] | None:
        outcome = presentation.resolve(request.META, at=timezone.now())
        if outcome is None:
            return None
        if isinstance(outcome, Denial):
            raise Refused(outcome)
        return None, outcome

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class SessionAuthentication(SessionOfDjango):
    """A person in a browser, whose session is loaded here: calls of the API pass no middleware of pages.

    Whatever they send is checked for its CSRF token.
    """

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        SessionMiddleware(_no_view).process_request(request._request)  # noqa: SLF001  as DRF itself does
        AuthenticationMiddleware(_no_view).process_request(request._request)  # noqa: SLF001  as DRF itself does
        return super().authenticate(request)

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied as error:
            raise ApiProblem("csrf_failed") from error


def _no_view(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError("the middleware is asked for its first half only")
