"""Turn the call builders of keyway.calls into methods of the sync and async clients."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Generic, ParamSpec, TypeVar

from keyway.retries import Retries, exchange
from keyway.settings import Credential
from keyway.transport import AsyncConnections, Connections
from keyway.wire import Call, Listing

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """The connections, credential and retry policy of a client."""

    connections: Connections
    credential: Credential
    retries: Retries

    def send(self, call: Call[T]) -> T:
        """Raises KeywayError."""
        return self.connections.run(exchange(call, self.retries), self.credential)


@dataclass(frozen=True, slots=True)
class AsyncSession:
    connections: AsyncConnections
    credential: Credential
    retries: Retries

    async def send(self, call: Call[T]) -> T:
        """Raises KeywayError."""
        return await self.connections.run(exchange(call, self.retries), self.credential)


class Resource:
    def __init__(self, session: Session) -> None:
        self._session = session


class AsyncResource:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session


class Sends(Generic[P, T]):
    """Descriptor of a method that sends the call `build` makes from its arguments."""

    def __init__(self, build: Callable[P, Call[T]]) -> None:
        self._build = build

    def __get__(self, resource: Resource, owner: type) -> Callable[P, T]:
        @wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return resource._session.send(self._build(*args, **kwargs))  # noqa: SLF001

        return method


class AsyncSends(Generic[P, T]):
    """Like Sends, for async clients."""

    def __init__(self, build: Callable[P, Call[T]]) -> None:
        self._build = build

    def __get__(self, resource: AsyncResource, owner: type) -> Callable[P, Awaitable[T]]:
        @wraps(self._build)
        async def method(*args: P.args, **kwargs: P.kwargs) -> T:
            return await resource._session.send(self._build(*args, **kwargs))  # noqa: SLF001

        return method


class Walks(Generic[P, T]):
    """Descriptor of a method that iterates over a list and fetches pages on demand."""

    def __init__(self, build: Callable[P, Listing[T]]) -> None:
        self._build = build

    def __get__(self, resource: Resource, owner: type) -> Callable[P, Iterator[T]]:
        @wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
            return _walk(resource._session, self._build(*args, **kwargs))  # noqa: SLF001

        return method


class AsyncWalks(Generic[P, T]):
    """Like Walks, for ``async for``."""

    def __init__(self, build: Callable[P, Listing[T]]) -> None:
        self._build = build

    def __get__(self, resource: AsyncResource, owner: type) -> Callable[P, AsyncIterator[T]]:
        @wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
            return _walk_async(resource._session, self._build(*args, **kwargs))  # noqa: SLF001

        return method


def _walk(session: Session, listing: Listing[T]) -> Iterator[T]:
    cursor: str | None = ""
    while cursor is not None:
        page = session.send(listing.page(cursor))
        yield from page.items
        cursor = page.next_cursor or None


async def _walk_async(session: AsyncSession, listing: Listing[T]) -> AsyncIterator[T]:
    cursor: str | None = ""
    while cursor is not None:
        page = await session.send(listing.page(cursor))
        for item in page.items:
            yield item
        cursor = page.next_cursor or None
