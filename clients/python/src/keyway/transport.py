"""The only module that touches the network. It carries out the steps of keyway.retries."""

import time
from collections.abc import Generator
from typing import Any, TypeVar

import anyio
import httpx2

from keyway.problems import printable
from keyway.retries import Exchange, Pause
from keyway.settings import Credential, Server
from keyway.version import __version__
from keyway.wire import Answer, Call, Failure, address

T = TypeVar("T")

# No connection was established, so the call cannot have been sent.
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

_HEADERS = {"User-Agent": f"keyway-python/{__version__}", "Accept": "application/json"}


class Connections:
    """A connection pool for threads."""

    def __init__(self, server: Server, *, timeout: float) -> None:
        self._server = server
        self._http = httpx2.Client(**_options(server, timeout))

    def run(self, steps: Exchange[T], credential: Credential) -> T:
        """Take the steps; return what they return, raise what they raise."""
        outcome: Answer | Failure | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            if isinstance(step, Pause):
                outcome = None
                time.sleep(step.seconds)
            else:
                outcome = self._carry(step, credential)

    def close(self) -> None:
        self._http.close()

    def _carry(self, call: Call[T], credential: Credential) -> Answer | Failure:
        try:
            response = self._http.request(
                **_request(self._server, call), auth=_Presented(credential)
            )
        except httpx2.RequestError as error:
            return _failure(error, credential)
        return _answer(response, credential)


class AsyncConnections:
    """A connection pool for asyncio and trio tasks."""

    def __init__(self, server: Server, *, timeout: float) -> None:
        self._server = server
        self._http = httpx2.AsyncClient(**_options(server, timeout))

    async def run(self, steps: Exchange[T], credential: Credential) -> T:
        """Take the steps; return what they return, raise what they raise."""
        outcome: Answer | Failure | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            if isinstance(step, Pause):
                outcome = None
                await anyio.sleep(step.seconds)
            else:
                outcome = await self._carry(step, credential)

    async def close(self) -> None:
        await self._http.aclose()

    async def _carry(self, call: Call[T], credential: Credential) -> Answer | Failure:
        try:
            response = await self._http.request(
                **_request(self._server, call), auth=_Presented(credential)
            )
        except httpx2.RequestError as error:
            return _failure(error, credential)
        return _answer(response, credential)


class _Presented(httpx2.Auth):
    """Adds the credential to the request just before it is sent.

    A default header would be part of the client's state, which logs and error reports may show.
    """

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        name, value = self._credential.header
        request.headers[name] = value
        yield request


def _options(server: Server, timeout: float) -> dict[str, Any]:
    # Plain http is for loopback: a proxy from the environment would see the credential in clear
    # text. Redirects are not followed: one would hand the credential to another host.
    return {
        "headers": _HEADERS,
        "timeout": timeout,
        "trust_env": server.is_encrypted,
        "follow_redirects": False,
    }


def _request(server: Server, call: Call[Any]) -> dict[str, Any]:
    return {
        "method": call.method,
        "url": address(server.url, call),
        "headers": call.headers,
        "content": call.body,
    }


def _answer(response: httpx2.Response, credential: Credential) -> Answer:
    """Copy what is needed. The response also holds the request, and so the credential."""
    body = response.content if response.is_success else credential.conceal(response.content)
    return Answer(
        response.status_code,
        {name.lower(): value for name, value in response.headers.items()},
        body,
    )


def _failure(error: httpx2.RequestError, credential: Credential) -> Failure:
    """Copy the message. The exception also holds the request, and so the credential."""
    detail = credential.conceal(str(error).encode(errors="replace")).decode()
    return Failure(
        f"Keyway cannot be reached: {printable(detail) or type(error).__name__}",
        is_timeout=isinstance(error, httpx2.TimeoutException),
        never_sent=isinstance(error, _NEVER_SENT),
    )
