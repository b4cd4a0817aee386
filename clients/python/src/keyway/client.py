"""The two clients. keyway.calls documents each method."""

import os
from types import TracebackType
from typing import Self

from keyway import settings
from keyway.calls import activity, agent, credential, keys
from keyway.resources import (
    AsyncResource,
    AsyncSends,
    AsyncSession,
    AsyncWalks,
    Resource,
    Sends,
    Session,
    Walks,
)
from keyway.retries import Retries
from keyway.secret import Secret
from keyway.transport import AsyncConnections, Connections

TIMEOUT_SECONDS = 30.0
MOST_RETRIES = 3


class Keys(Resource):
    create = Sends(keys.create)
    list = Walks(keys.list_keys)
    get = Sends(keys.get)
    update = Sends(keys.update)
    rotate = Sends(keys.rotate)
    revoke = Sends(keys.revoke)
    usage = Sends(keys.usage)


class AsyncKeys(AsyncResource):
    create = AsyncSends(keys.create)
    list = AsyncWalks(keys.list_keys)
    get = AsyncSends(keys.get)
    update = AsyncSends(keys.update)
    rotate = AsyncSends(keys.rotate)
    revoke = AsyncSends(keys.revoke)
    usage = AsyncSends(keys.usage)


class Activity(Resource):
    list = Walks(activity.list_activity)


class AsyncActivity(AsyncResource):
    list = AsyncWalks(activity.list_activity)


class Agent(Resource):
    send_events = Sends(agent.send_events)
    config = Sends(agent.config)
    heartbeat = Sends(agent.heartbeat)


class AsyncAgent(AsyncResource):
    send_events = AsyncSends(agent.send_events)
    config = AsyncSends(agent.config)
    heartbeat = AsyncSends(agent.heartbeat)


class Client(Resource):
    """Synchronous client, safe to share between threads.

    Defaults to KEYWAY_API_KEY and KEYWAY_BASE_URL. `token` is a user token or an OAuth access
    token. `timeout` is in seconds and applies separately to connecting, sending and each read. A
    call is retried at most `max_retries` times, waiting at most `max_wait` seconds in total.
    Raises Misconfigured.
    """

    whoami = Sends(credential.whoami)

    def __init__(
        self,
        *,
        api_key: str | Secret | None = None,
        token: str | Secret | None = None,
        base_url: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        max_retries: int = MOST_RETRIES,
        max_wait: float = 60.0,
        allow_plain_http: bool = False,
    ) -> None:
        presented = settings.credential(api_key, token, os.environ)
        server = settings.server(base_url, os.environ, allow_plain_http=allow_plain_http)
        super().__init__(
            Session(Connections(server, timeout=timeout), presented, Retries(max_retries, max_wait))
        )
        self.keys = Keys(self._session)
        self.activity = Activity(self._session)
        self.agent = Agent(self._session)

    def close(self) -> None:
        self._session.connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClient(AsyncResource):
    """Asynchronous client, for asyncio and trio. Takes the same arguments as Client."""

    whoami = AsyncSends(credential.whoami)

    def __init__(
        self,
        *,
        api_key: str | Secret | None = None,
        token: str | Secret | None = None,
        base_url: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        max_retries: int = MOST_RETRIES,
        max_wait: float = 60.0,
        allow_plain_http: bool = False,
    ) -> None:
        presented = settings.credential(api_key, token, os.environ)
        server = settings.server(base_url, os.environ, allow_plain_http=allow_plain_http)
        super().__init__(
            AsyncSession(
                AsyncConnections(server, timeout=timeout), presented, Retries(max_retries, max_wait)
            )
        )
        self.keys = AsyncKeys(self._session)
        self.activity = AsyncActivity(self._session)
        self.agent = AsyncAgent(self._session)

    async def aclose(self) -> None:
        await self._session.connections.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
