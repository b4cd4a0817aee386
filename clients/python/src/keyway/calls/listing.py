"""Lists fetched page by page, following cursors."""

from datetime import datetime
from typing import TypeVar

from keyway.decoding import page_reader
from keyway.wire import Call, Listing, Page, rfc3339

T = TypeVar("T")


def listing(path: str, shape: type[T], **filters: str | int | bool | datetime | None) -> Listing[T]:
    """Build a listing. Filters that are None are omitted."""
    wanted = tuple((name, _to_text(value)) for name, value in filters.items() if value is not None)

    def page(cursor: str) -> Call[Page[T]]:
        query = (*wanted, ("cursor", cursor)) if cursor else wanted
        return Call("GET", path, page_reader(shape), query=query)

    return Listing(page)


def _to_text(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
