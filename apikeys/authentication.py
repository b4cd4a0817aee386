"""`X-API-Key` for Django REST framework: thin over apikeys.presentation."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apikeys import presentation
from apikeys.denials import Denial
from apikeys.problems import CHALLENGE, from_denial
from apikeys.verification import Credential


class ApiKeyAuthentication(BaseAuthentication):
    """Sets ``request.auth`` to the Credential; ``request.user`` stays None, for a key is not a person.

    A request without any credential is left to the permissions, which answer `missing_key`.
    """

    def authenticate(self, request: Request) -> tuple[None, Credential] | None:
        outcome = presentation.resolve(request.META, at=timezone.now())
        if outcome is None:
            return None
        if isinstance(outcome, Denial):
            raise from_denial(outcome)
        return None, outcome

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE
