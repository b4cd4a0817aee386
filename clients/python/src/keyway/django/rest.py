"""Keys and access tokens for Django REST framework."""

from dataclasses import dataclass
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from keyway.django import incoming, verifier
from keyway.verification import Denied, Identity


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """What ``request.user`` is: who has the key or the token, and is in no table of this service."""

    identity: Identity

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    @property
    def pk(self) -> str | None:
        return self.identity.key_id or self.identity.application_id


class KeyRefused(APIException):
    """Answered with the denial's status, code and headers."""

    def __init__(self, denied: Denied) -> None:
        self.status_code = denied.status
        super().__init__({"detail": denied.detail, "code": denied.code}, denied.code)
        # The two that Django REST framework's handler asks exceptions for.
        self.auth_header = denied.headers.get("WWW-Authenticate")
        after = denied.headers.get("Retry-After", "")
        self.wait = int(after) if after.isdecimal() else None


class KeywayAuthentication(BaseAuthentication):
    """``request.user`` is a KeyHolder, ``request.auth`` the Identity.

    A request with neither X-API-Key nor an access token of Keyway's is left to others.

    Subclass to set `environment` or `organization`.
    """

    environment: str | None = None
    organization: str | None = None

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        presented = incoming(request._request)  # noqa: SLF001  the request that came, which Request hides
        if not presented.is_for_keyway:
            return None
        try:
            identity = verifier().verify(
                presented, environment=self.environment, organization=self.organization
            )
        except Denied as error:
            denied = error
        else:
            return KeyHolder(identity), identity
        raise KeyRefused(denied)

    def authenticate_header(self, request: Request) -> str:
        return 'ApiKey realm="Keyway"'


class HasScope(BasePermission):
    """``permission_classes = [HasScope("read:reports")]``: only keys and tokens with this scope."""

    code = "insufficient_scope"

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.message = f"The key does not have the scope that this call needs: {scope}."

    def __call__(self) -> "HasScope":
        return self  # Django REST framework calls what it takes for a class

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, Identity) and request.auth.has_scope(self.scope)
