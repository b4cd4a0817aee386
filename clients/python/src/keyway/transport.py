"""The only part that touches the network: it carries calls and waits, as the generators of keyway.retries tell it."""

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

# There was no connection that the call could have left by.
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

_HEADERS = {"User-Agent": f"keyway-python/{__version__}", "Accept": "application/json"}


class Connections:
    """A pool for threads."""

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
    """A pool for tasks, of asyncio or trio."""

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
    """Puts the credential into the request as it leaves, so that nothing that is shown or kept has it."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        name, value = self._credential.header
        request.headers[name] = value
        yield request


def _options(server: Server, timeout: float) -> dict[str, Any]:
    # Of the environment's proxies, one for http would see in clear what goes to loopback.
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
    """Keep no request: its headers have the credential."""
    body = response.content if response.is_success else credential.conceal(response.content)
    return Answer(
        response.status_code,
        {name.lower(): value for name, value in response.headers.items()},
        body,
    )


def _failure(error: httpx2.RequestError, credential: Credential) -> Failure:
    """Keep no exception: it has the request."""
    told = credential.conceal(str(error).encode(errors="replace")).decode()
    return Failure(
        f"Keyway cannot be reached: {printable(told) or type(error).__name__}",
        is_timeout=isinstance(error, httpx2.TimeoutException),
        never_sent=isinstance(error, _NEVER_SENT),
    )
