"""Authentication by `X-API-Key` and by browser session for Django REST framework.

Keys are verified in apikeys.verify.presentation.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.authentication import SessionAuthentication as DjangoSessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from apikeys.verify import presentation
from apikeys.verify.denials import Denial
from apikeys.verify.judge import Credential
from apikeys.verify.problems import Refused
from config.lib.problems import CHALLENGE, ApiProblem


class ApiKeyAuthentication(BaseAuthentication):
    """Set ``request.auth`` to the Credential.

    ``request.user`` stays None, because a key is not a person. Requests without a credential pass
    on to the permissions, which respond with `missing_key`.
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


class SessionAuthentication(DjangoSessionAuthentication):
    """Authenticate a person in a browser by session cookie.

    API calls skip the session middleware of pages, so the session is loaded here.
    """

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        # DRF itself uses request._request to reach Django's request.
        SessionMiddleware(_no_view).process_request(request._request)  # noqa: SLF001
        AuthenticationMiddleware(_no_view).process_request(request._request)  # noqa: SLF001
        # Enforces CSRF. A browser sends its cookie with requests from other sites too, so without
        # the token any site could act as the person.
        return super().authenticate(request)

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied as error:
            raise ApiProblem("csrf_failed") from error


def _no_view(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError("only process_request of the middleware is used")
