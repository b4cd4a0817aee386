"""Decode JSON into dataclasses.

Unknown fields are ignored, so that Keyway may add some. A missing field takes its default or is an
error.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from keyway.problems import unexpected
from keyway.secret import Secret
from keyway.wire import Answer, Page

T = TypeVar("T")


class _Mismatch(Exception):
    """The JSON does not fit the dataclass. Never quotes the value: it may be a secret."""


def reader(shape: type[T]) -> Callable[[Answer], T]:
    """Return a function that decodes an answer into `shape` or raises UnexpectedAnswer."""

    def read(answer: Answer) -> T:
        found: T = _fit(shape, body(answer), answer)
        return found

    return read


def page_reader(shape: type[T]) -> Callable[[Answer], Page[T]]:
    """Return a function that decodes ``{"data": [shape, …], "next_cursor": …}``."""

    def read(answer: Answer) -> Page[T]:
        content = body(answer)
        items: tuple[T, ...] = _fit(tuple[shape, ...], content.get("data"), answer)  # type: ignore[valid-type]
        return Page(items, _fit(str | None, content.get("next_cursor"), answer))

    return read


def body(answer: Answer) -> dict[str, Any]:
    """Parse a JSON object. Raises UnexpectedAnswer."""
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        return content
    raise unexpected(
        answer,
        "The answer is not a JSON object. Check the base URL, and any proxy in between.",
    )


def _fit(shape: Any, value: object, answer: Answer) -> Any:
    try:
        return _read(shape, value)
    except _Mismatch as error:
        wrong = str(error)
    # Raised outside the except clause: its context would hold frames with the value.
    raise unexpected(answer, f"The answer does not have the expected fields: {wrong}.")


def _read(shape: Any, value: object) -> Any:
    if is_dataclass(shape):
        return _object(shape, value)
    origin = get_origin(shape)
    if origin is UnionType:
        [inner] = [each for each in get_args(shape) if each is not NoneType]
        return None if value is None else _read(inner, value)
    if origin is tuple:
        return tuple(_read(get_args(shape)[0], each) for each in _is(list, value))
    if shape in _FROM_TEXT:
        return _from_text(_FROM_TEXT[shape], value)
    if shape is float and isinstance(value, int):
        return float(value)
    return _is(shape, value)


def _object(shape: Any, value: object) -> Any:
    given, found = _is(dict, value), {}
    for name, (hint, is_needed) in _layout(shape).items():
        if name in given:
            found[name] = _read(hint, given[name])
        elif is_needed:
            raise _Mismatch(f"`{name}` is missing")
    return shape(**found)


@cache
def _layout(shape: Any) -> Mapping[str, tuple[Any, bool]]:
    hints = get_type_hints(shape)
    return {
        field.name: (
            hints[field.name],
            field.default is MISSING and field.default_factory is MISSING,
        )
        for field in fields(shape)
        if field.init
    }


_FROM_TEXT: Mapping[Any, Callable[[str], Any]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    Secret: Secret,
}


def _from_text(parse: Callable[[str], Any], value: object) -> Any:
    try:
        return parse(_is(str, value))
    except ValueError:
        raise _Mismatch("not a date") from None


def _is(kind: Any, value: object) -> Any:
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise _Mismatch(f"expected {kind.__name__}, got {type(value).__name__}")
