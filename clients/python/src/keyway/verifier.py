"""For services that take keys: whose key is this, may it? Asked of Keyway at every request, and never remembered."""

import os
from types import TracebackType
from typing import Self

from keyway import settings
from keyway.secret import Secret
from keyway.transport import AsyncConnections, Connections
from keyway.verification import Demands, Identity, Incoming, ask, inquiry

TIMEOUT_SECONDS = 5.0

Presented = Incoming | Secret | str | None


class Verifier:
    """For threads. Reads KEYWAY_BASE_URL where no `base_url` is given. Make one and keep it: it keeps its connections."""

    def __init__(
        self,
        *,
        base_url: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        allow_plain_http: bool = False,
    ) -> None:
        server = settings.server(base_url, os.environ, allow_plain_http=allow_plain_http)
        self._connections = Connections(server, timeout=timeout)

    def verify(
        self,
        presented: Presented,
        *,
        scope: str | None = None,
        environment: str | None = None,
        organization: str | None = None,
    ) -> Identity:
        """Ask about a request, or only about the key that came with it.

        Raises Denied: with Keyway's refusal, or with 503 when Keyway cannot be asked.
        """
        call, credential = ask(_incoming(presented), Demands(scope, environment, organization))
        return self._connections.run(inquiry(call), credential)

    def close(self) -> None:
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncVerifier:
    """For tasks of asyncio or trio; otherwise as Verifier."""

    def __init__(
        self,
        *,
        base_url: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        allow_plain_http: bool = False,
    ) -> None:
        server = settings.server(base_url, os.environ, allow_plain_http=allow_plain_http)
        self._connections = AsyncConnections(server, timeout=timeout)

    async def verify(
        self,
        presented: Presented,
        *,
        scope: str | None = None,
        environment: str | None = None,
        organization: str | None = None,
    ) -> Identity:
        """As Verifier.verify."""
        call, credential = ask(_incoming(presented), Demands(scope, environment, organization))
        return await self._connections.run(inquiry(call), credential)

    async def aclose(self) -> None:
        await self._connections.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def _incoming(presented: Presented) -> Incoming:
    return presented if isinstance(presented, Incoming) else Incoming(presented)
