"""Verify the keys that callers present to your service.

Every request is checked with Keyway. Nothing is cached, so a revocation takes effect at once.
"""

import os
from types import TracebackType
from typing import Self

from keyway import settings
from keyway.secret import Secret
from keyway.transport import AsyncConnections, Connections
from keyway.verification import Identity, Incoming, Requirements, prepare, verification_exchange

TIMEOUT_SECONDS = 5.0

Presented = Incoming | Secret | str | None


class Verifier:
    """Synchronous verifier, safe to share between threads. Defaults to KEYWAY_BASE_URL.

    Create one and reuse it: it pools its connections.
    """

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
        """Verify a request, or just the key it presents.

        Raises Denied, with Keyway's denial or with 503 if Keyway does not answer.
        """
        call, credential = prepare(
            _incoming(presented), Requirements(scope, environment, organization)
        )
        return self._connections.run(verification_exchange(call), credential)

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
    """Asynchronous verifier, for asyncio and trio. Takes the same arguments as Verifier."""

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
        """Like Verifier.verify."""
        call, credential = prepare(
            _incoming(presented), Requirements(scope, environment, organization)
        )
        return await self._connections.run(verification_exchange(call), credential)

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
