"""Verify keys and access tokens in Django REST framework."""

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
    """``request.user``: the holder of the key or token. Not a user of this service's database."""

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
    """A denial. The response has its status, code and headers."""

    def __init__(self, denied: Denied) -> None:
        self.status_code = denied.status
        super().__init__({"detail": denied.detail, "code": denied.code}, denied.code)
        # Django REST framework's exception handler reads these two attributes.
        self.auth_header = denied.headers.get("WWW-Authenticate")
        after = denied.headers.get("Retry-After", "")
        self.wait = int(after) if after.isdecimal() else None


class KeywayAuthentication(BaseAuthentication):
    """Set ``request.user`` to a KeyHolder and ``request.auth`` to the Identity.

    Requests with neither X-API-Key nor a Keyway access token are left to the other authentication
    classes. Subclass to set `environment` or `organization`.
    """

    environment: str | None = None
    organization: str | None = None

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        # DRF documents no way to the HttpRequest that its Request wraps.
        presented = incoming(request._request)  # noqa: SLF001
        if not presented.is_for_keyway:
            return None
        try:
            identity = verifier().verify(
                presented, environment=self.environment, organization=self.organization
            )
        except Denied as error:
            denied = error  # raised below, without this one as its context
        else:
            return KeyHolder(identity), identity
        raise KeyRefused(denied)

    def authenticate_header(self, request: Request) -> str:
        return 'ApiKey realm="Keyway"'


class HasScope(BasePermission):
    """Require a scope: ``permission_classes = [HasScope("read:reports")]``."""

    code = "insufficient_scope"

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.message = f"This call requires the scope {scope}."

    def __call__(self) -> "HasScope":
        # DRF instantiates permission classes by calling them. An instance that returns itself can
        # carry the scope.
        return self

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, Identity) and request.auth.has_scope(self.scope)
