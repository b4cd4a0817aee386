"""Read JSON objects strictly and report what a lenient parser accepts.

Python's parser keeps the last of two equal keys, accepts NaN and passes lone surrogates. Dropping a
duplicate key hides part of the request, NaN is not JSON, and no database stores lone surrogates.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import msgspec

Form = TypeVar("Form", bound=msgspec.Struct)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# Longer than any number that a field accepts. Cut longer ones before converting them, because
# converting takes quadratic time and Python raises an error from 4,300 digits on.
_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why an object is refused.

    `field` is None if the reason concerns no single field, or if its name is not safe to echo.
    """

    code: str
    field: str | None
    detail: str


class Malformed(ValueError):
    """The text is not JSON, or is nested too deeply."""


class Pairs(list[tuple[str, Any]]):
    """The members of an object as written, duplicate keys included."""


def parse(body: bytes) -> Any:
    """Parse UTF-8 JSON with objects as Pairs. Raises Malformed."""
    try:
        return _read(body.decode())
    except UnicodeDecodeError as error:
        raise Malformed(f"Byte {error.start} is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"Invalid JSON at character {error.pos}.") from error
    except RecursionError as error:
        raise Malformed("The JSON is nested too deeply.") from error


def _read(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise json.JSONDecodeError(f"{constant} is not a number", text, 0)

    return json.loads(
        text,
        object_pairs_hook=Pairs,
        parse_constant=refuse,
        parse_int=lambda digits: int(digits[:_DIGITS]),
        parse_float=_number,
    )


def _number(digits: str) -> float | int:
    """Return 250.0 as an integer, as JSON Schema does. Some clients write every number that way."""
    number = float(digits[:_DIGITS])
    return int(number) if number.is_integer() and len(digits) <= _DIGITS else number


def read(value: Any, form: type[Form]) -> Form | Flaw:
    """Convert one parsed object to `form`, or return its first flaw."""
    if not isinstance(value, Pairs):
        return Flaw("not_an_object", None, "Not a JSON object.")
    if flaw := _flaw_in_names(value, form) or _flaw_in_text(value):
        return flaw
    try:
        return msgspec.convert(dict(value), form)
    except msgspec.ValidationError as error:
        return _flaw_in_values(value, form, error)


def read_all(value: Any, form: type[Form]) -> Form | list[Flaw]:
    """Convert one parsed object to `form`, or return the flaws of all fields.

    For calls by people, who want to correct everything at once.
    """
    if not isinstance(value, Pairs):
        return [Flaw("not_an_object", None, "Not a JSON object.")]
    fields = _fields(form)
    flaws = [flaw for name, given in value if (flaw := _flaw_in_field(name, given, fields))]
    for name, count in Counter(name for name, _ in value if name in fields).items():
        if count > 1:
            flaws.append(Flaw("duplicate_field", name, "The field is there more than once."))
    given_names = {name for name, _ in value}
    flaws += [
        Flaw("missing_field", name, "The field is required.")
        for name, field in fields.items()
        if field.required and name not in given_names
    ]
    return flaws or msgspec.convert(dict(value), form)


def _flaw_in_field(
    name: str, value: Any, fields: dict[str, msgspec.structs.FieldInfo]
) -> Flaw | None:
    if name not in fields:
        return Flaw(
            "unknown_field", name if _NAME.fullmatch(name) else None, "There is no such field."
        )
    for item in value if isinstance(value, list) else [value]:
        if flaw := _flaw_in_text(Pairs([(name, item)])):
            return flaw
    try:
        # Pairs is a list, so without dict() an empty object would pass as an empty list.
        msgspec.convert(dict(value) if isinstance(value, Pairs) else value, fields[name].type)
    except msgspec.ValidationError as reason:
        return Flaw("invalid_field", name, f"{reason}.")
    return None


def _flaw_in_names(pairs: Pairs, form: type[Form]) -> Flaw | None:
    seen: set[str] = set()
    fields = _fields(form)
    for name, _ in pairs:
        if name not in fields:
            return Flaw(
                "unknown_field", name if _NAME.fullmatch(name) else None, "There is no such field."
            )
        if name in seen:
            return Flaw("duplicate_field", name, "The field is there more than once.")
        seen.add(name)
    for name, field in fields.items():
        if field.required and name not in seen:
            return Flaw("missing_field", name, "The field is required.")
    return None


def _flaw_in_text(pairs: Pairs) -> Flaw | None:
    for name, value in pairs:
        if not isinstance(value, str):
            continue
        if "\x00" in value:
            return Flaw("nul_character", name, "U+0000 cannot be stored.")
        try:
            value.encode()
        except UnicodeEncodeError:
            return Flaw("lone_surrogate", name, "Half of a surrogate pair is not a character.")
    return None


def _flaw_in_values(pairs: Pairs, form: type[Form], error: msgspec.ValidationError) -> Flaw:
    fields = _fields(form)
    for name, value in pairs:
        try:
            msgspec.convert(value, fields[name].type)
        except msgspec.ValidationError as reason:
            # Safe to show: msgspec's messages name types and limits, never the value.
            return Flaw("invalid_field", name, f"{reason}.")
    raise AssertionError("every field is valid, but the object is not") from error


@cache
def _fields(form: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(form)}
