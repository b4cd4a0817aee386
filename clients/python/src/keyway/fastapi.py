"""Keys and access tokens for FastAPI: a dependency that answers with the caller's Identity, and shows up in the OpenAPI."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.security.base import SecurityBase

from keyway.verification import Denied, Identity, Incoming
from keyway.verifier import AsyncVerifier


class KeyRefused(HTTPException):
    """FastAPI answers it as it answers every HTTPException; `answer_problems` makes it a problem of RFC 9457."""

    def __init__(self, denied: Denied) -> None:
        super().__init__(
            status_code=denied.status, detail=denied.problem, headers=dict(denied.headers)
        )
        self.denied = denied


class _Token(SecurityBase):
    """The other way to present a credential, for the application's OpenAPI."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="An access token of Keyway's OAuth.")
        self.scheme_name = "KeywayToken"

    async def __call__(self) -> None:
        pass


class RequireKey(SecurityBase):
    """``Annotated[Identity, Depends(RequireKey(verifier, scope="read:reports"))]``: a key, or an application's access token."""

    def __init__(
        self,
        verifier: AsyncVerifier,
        *,
        scope: str | None = None,
        environment: str | None = None,
        organization: str | None = None,
    ) -> None:
        self._verifier = verifier
        self._demands = {"scope": scope, "environment": environment, "organization": organization}
        self.model = APIKey.model_validate({"in": APIKeyIn.header, "name": "X-API-Key"})
        self.scheme_name = "KeywayKey"

    async def __call__(
        self, request: Request, _: Annotated[None, Depends(_Token())] = None
    ) -> Identity:
        try:
            return await self._verifier.verify(incoming(request), **self._demands)
        except Denied as error:
            denied = error
        raise KeyRefused(denied)


def answer_problems(app: FastAPI) -> None:
    """Answer refused keys with ``application/problem+json``, as Keyway does."""
    app.add_exception_handler(KeyRefused, _problem)


def incoming(request: Request) -> Incoming:
    """`client_ip` is the peer's: let the server (uvicorn's --proxy-headers) put the caller's address there."""
    headers = request.headers
    return Incoming(
        key=",".join(headers.getlist("x-api-key")) if "x-api-key" in headers else None,
        authorization=",".join(headers.getlist("authorization")),
        method=request.method,
        uri=request.url.path,
        client_ip=request.client.host if request.client else "",
        organization=headers.get("x-organization-id"),
        user_agent=headers.get("user-agent", ""),
    )


def _problem(request: Request, refused: Any) -> Response:
    denied: Denied = refused.denied
    return Response(denied.body, denied.status, dict(denied.headers), "application/problem+json")
