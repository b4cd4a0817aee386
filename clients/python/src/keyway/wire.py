"""What goes out and what comes back, as values: the part that knows neither sockets nor clocks."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from keyway.errors import Misconfigured

T = TypeVar("T")

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer came. `is_timeout`: it took too long. Unless `never_sent`, it may have been done all the same."""

    what: str
    is_timeout: bool = False
    never_sent: bool = False


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how its answer is read. It knows neither the server nor the credential.

    `is_idempotent`: doing it twice does what doing it once does, so that it is repeated where its answer was lost.
    """

    method: str
    path: str
    read: Callable[[Answer], T]
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    is_idempotent: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: Sequence[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list that is fetched page by page. `page` makes the call for the page at a cursor, "" being the first."""

    page: Callable[[str], Call[Page[T]]]


def address(base: str, call: Call[Any]) -> str:
    """The whole URL."""
    query = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in call.query
    )
    return f"{base}{call.path}?{query}" if query else f"{base}{call.path}"


def as_json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()


def moment(at: datetime) -> str:
    """RFC 3339. Raises Misconfigured for a time without a zone: it would be another moment on another machine."""
    if at.tzinfo is None:
        raise Misconfigured("A time needs its zone.")
    return at.isoformat()


def given(**fields: Any) -> dict[str, Any]:
    """Leave out what is None."""
    return {name: value for name, value in fields.items() if value is not None}
