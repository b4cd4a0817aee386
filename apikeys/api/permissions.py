"""What a view asks of a credential. Each refusal is a problem with its reason."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apikeys.kind import Kind
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, authorize
from apikeys.verify.problems import Refused


class IsCredential(BasePermission):
    """Any credential will do."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, Credential):
            raise Refused(Denial(Reason.MISSING_KEY))
        if denial := self.ask(request.auth):
            raise Refused(denial)
        return True

    def ask(self, credential: Credential) -> Denial | None:
        return None


class IsAgentKey(IsCredential):
    """Agent keys only."""

    def ask(self, credential: Credential) -> Denial | None:
        return authorize(credential, kind=Kind.AGENT)


class IsPublicKey(IsCredential):
    """Public keys only."""

    def ask(self, credential: Credential) -> Denial | None:
        return authorize(credential, kind=Kind.PUBLIC)


def HasScope(name: str) -> type[IsCredential]:  # noqa: N802  reads as a class where it is used: [IsAgentKey, HasScope("…")]
    """Make the permission that asks for the scope `name`."""

    class ScopePermission(IsCredential):
        scope = name

        def ask(self, credential: Credential) -> Denial | None:
            return authorize(credential, scope=name)

    return ScopePermission
