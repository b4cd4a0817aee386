"""User tokens for Django REST framework: `Authorization: Bearer <JWT>`."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.lib.problems import BEARER, ApiProblem
from tenants.models import User
from tenants.sign_in.tokens import services
from tenants.sign_in.tokens.services import UserToken
from tenants.sign_in.tokens.token import is_shaped


class UserTokenAuthentication(BaseAuthentication):
    """Sets ``request.user`` to the User and ``request.auth`` to the UserToken.

    Returns None for anything that does not look like a JWT, such as an API key or an OAuth token,
    so that the next authentication class can try. With no credential at all, the view's
    permissions decide.
    """

    def authenticate(self, request: Request) -> tuple[User, UserToken] | None:
        presented = _bearer(request.META.get("HTTP_AUTHORIZATION", ""))
        if not is_shaped(presented):
            return None
        # Two credentials could belong to two callers. Refuse instead of picking one.
        if "HTTP_X_API_KEY" in request.META:
            raise ApiProblem("several_credentials")
        token = services.authenticate(presented, at=timezone.now())
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return BEARER


class IsSignedInByToken(BasePermission):
    """Requires a user token."""

    def has_permission(self, request: Request, view: object) -> bool:
        if not isinstance(request.auth, UserToken):
            raise ApiProblem("missing_token")
        return True


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
