"""Requests and responses as values, independent of sockets and clocks."""

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
    """A response. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer arrived. Unless `never_sent`, the call may still have been carried out."""

    what: str
    is_timeout: bool = False
    never_sent: bool = False


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request and the decoder of its answer. Independent of server and credential.

    An idempotent call is retried when its answer is lost.
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
    """A list fetched page by page. `page` builds the call for a cursor; "" is the first page."""

    page: Callable[[str], Call[Page[T]]]


def address(base: str, call: Call[Any]) -> str:
    """Return the full URL of a call."""
    query = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in call.query
    )
    return f"{base}{call.path}?{query}" if query else f"{base}{call.path}"


def as_json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()


def rfc3339(at: datetime) -> str:
    """Format as RFC 3339. Raises Misconfigured for a naive time, whose meaning is ambiguous."""
    if at.tzinfo is None:
        raise Misconfigured("Times must be time-zone aware.")
    return at.isoformat()


def without_none(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
