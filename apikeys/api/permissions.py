"""Permissions of API views. Each denial is a problem with its reason."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apikeys.kind import Kind
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, authorize
from apikeys.verify.problems import Refused


class IsCredential(BasePermission):
    """Allow any credential."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, Credential):
            raise Refused(Denial(Reason.MISSING_KEY))
        if denial := self.judge(request.auth):
            raise Refused(denial)
        return True

    def judge(self, credential: Credential) -> Denial | None:
        return None


class IsAgentKey(IsCredential):
    """Allow agent keys only."""

    def judge(self, credential: Credential) -> Denial | None:
        return authorize(credential, kind=Kind.AGENT)


class IsPublicKey(IsCredential):
    """Allow public keys and tokens, which have the scopes of public keys."""

    def judge(self, credential: Credential) -> Denial | None:
        return authorize(credential, kind=Kind.PUBLIC)


def HasScope(name: str) -> type[IsCredential]:  # noqa: N802  used like a class
    """Return a permission that requires the scope `name`: ``[IsAgentKey, HasScope("…")]``."""

    class ScopePermission(IsCredential):
        scope = name

        def judge(self, credential: Credential) -> Denial | None:
            return authorize(credential, scope=name)

    return ScopePermission
