"""Verify keys and access tokens in FastAPI: a dependency that returns the caller's Identity.

It also appears in the application's OpenAPI document.
"""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.security.base import SecurityBase

from keyway.verification import Denied, Identity, Incoming
from keyway.verifier import AsyncVerifier


class KeyRefused(HTTPException):
    """A denial. FastAPI answers it like any HTTPException; see `answer_problems` for RFC 9457."""

    def __init__(self, denied: Denied) -> None:
        super().__init__(
            status_code=denied.status, detail=denied.problem, headers=dict(denied.headers)
        )
        self.denied = denied


class _Token(SecurityBase):
    """Documents the second way to present a credential in the application's OpenAPI."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="An access token of Keyway's OAuth.")
        self.scheme_name = "KeywayToken"

    async def __call__(self) -> None:
        pass


class RequireKey(SecurityBase):
    """Dependency that requires a valid key or access token.

    ``Annotated[Identity, Depends(RequireKey(verifier, scope="read:reports"))]``
    """

    def __init__(
        self,
        verifier: AsyncVerifier,
        *,
        scope: str | None = None,
        environment: str | None = None,
        organization: str | None = None,
    ) -> None:
        self._verifier = verifier
        self._requirements = {
            "scope": scope,
            "environment": environment,
            "organization": organization,
        }
        self.model = APIKey.model_validate({"in": APIKeyIn.header, "name": "X-API-Key"})
        self.scheme_name = "KeywayKey"

    async def __call__(
        self, request: Request, _: Annotated[None, Depends(_Token())] = None
    ) -> Identity:
        try:
            return await self._verifier.verify(incoming(request), **self._requirements)
        except Denied as error:
            denied = error  # raised below, without this one as its context
        raise KeyRefused(denied)


def answer_problems(app: FastAPI) -> None:
    """Answer denials with ``application/problem+json``, as Keyway does."""
    app.add_exception_handler(KeyRefused, _problem)


def incoming(request: Request) -> Incoming:
    """Describe the request for the verifier.

    `client_ip` is the peer's address. Behind proxies, configure the server (uvicorn's
    ``--proxy-headers``) to put the caller's address there.
    """
    headers = request.headers
    # Join repeated headers: Keyway must see both credentials to refuse them (several_credentials).
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
