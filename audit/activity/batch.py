"""Bodies into events: a JSON array or NDJSON, with a verdict on each event.

The swift way reads a batch in which all is well, which is nearly every batch, several times as fast as
the careful one. It takes nothing that the careful way would refuse; at any doubt it hands the whole over.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from audit.activity.event import Event, encode
from config.lib import strict_json
from config.lib.errors import KeywayError
from config.lib.strict_json import Flaw, Malformed

MAX_EVENTS = 10_000
MAX_BYTES = 10 * 1024 * 1024
# Braces, brackets and commas outside strings. 10,000 whole events need 190,000. Without a bound, 10 MiB
# of `[],` would become 250 MB of lists before anybody counts them. Reading events alone, the first `[]` ends it.
MAX_TOKENS = 300_000

Verdict = Event | Flaw


class Verdicts(list[Verdict]):
    """One for each event of a batch. `encoded` are the events as audit.activity.event.encode has them, where all are good."""

    encoded: bytes | None = None


_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_WHITESPACE = b" \t\r\n"
_Flat = dict[str, str | bool]
_Decode = Callable[[bytes], list[Any]]
_decode_array = msgspec.json.Decoder(list[Event]).decode
_decode_flat_array = msgspec.json.Decoder(list[_Flat]).decode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_flat = msgspec.json.Decoder(_Flat).decode


class MalformedBatch(KeywayError):
    code = "malformed_batch"
    detail = "The body is not a batch of events."


class BatchTooLarge(KeywayError):
    code = "batch_too_large"
    detail = "A batch has at most 10,000 events and 10 MiB inflated."


class _InDoubt(Exception):
    """Something is odd; the careful way will say what."""


def read_array(body: bytes) -> Verdicts:
    """Read a JSON array of events. Raises MalformedBatch, BatchTooLarge."""
    try:
        return _swiftly(body, _decode_array, _decode_flat_array)
    except _InDoubt:
        _bound(body)
        return Verdicts(
            strict_json.read(value, Event) for value in _limited(_array_carefully(body))
        )


def read_lines(body: bytes) -> Verdicts:
    """Read NDJSON: one event a line, blank lines aside. Raises MalformedBatch, BatchTooLarge.

    A line is a unit of its own, so one that is not JSON is a flaw of that event, not of the batch.
    """
    try:
        return _swiftly(body, _by_line(_decode_event), _by_line(_decode_flat))
    except _InDoubt:
        _bound(body)
        _refuse_other_encodings(body)
        return Verdicts(_read_line(line) for line in _limited(_split(body)))


def _swiftly(body: bytes, decode_events: _Decode, decode_flat: _Decode) -> Verdicts:
    """Raises _InDoubt unless every event is certainly good."""
    is_plain = b"\\" not in body
    if not is_plain and rb"\u0000" in body:
        raise _InDoubt
    try:
        events = Verdicts(_limited(decode_events(body)))
        events.encoded = encode(events)  # type: ignore[arg-type]  # all of them are events
        # Encoded again, each field that is not empty has its key once: where as much was written, none was there twice.
        if is_plain and body.count(b'"') == events.encoded.count(b'"'):
            return events
        keys = _count_keys(body.translate(None, _WHITESPACE))
        if keys == _count_keys(events.encoded) or keys == sum(map(len, decode_flat(body))):
            return events
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _InDoubt from error
    raise _InDoubt


def _count_keys(dense: bytes) -> int:
    """Count the keys written in flat objects that hold known fields only, with no whitespace around them.

    Every key then ends in `":`. Inside a string those two characters follow a backslash, and the name of a field
    ends in none.
    """
    return dense.count(b'":') - dense.count(rb"\":")


def _array_carefully(body: bytes) -> list[Any]:
    try:
        values = strict_json.parse(body)
    except Malformed as error:
        raise MalformedBatch(str(error)) from error
    if not isinstance(values, list) or isinstance(values, strict_json.Pairs):
        raise MalformedBatch("A batch is a JSON array of events.")
    return values


def _by_line(decode: Callable[[bytes], Any]) -> _Decode:
    return lambda body: [decode(line) for line in _split(body)]


def _split(body: bytes) -> list[bytes]:
    if body.count(b"\n") > 2 * MAX_EVENTS:
        raise BatchTooLarge("A batch has at most 10,000 lines.")
    return [line for line in body.split(b"\n") if not line.isspace() and line]


def _read_line(line: bytes) -> Verdict:
    try:
        return strict_json.read(strict_json.parse(line), Event)
    except Malformed as error:
        return Flaw("not_json", None, str(error))


def _limited(events: list[Any]) -> list[Any]:
    if not events:
        raise MalformedBatch("A batch has at least one event.")
    if len(events) > MAX_EVENTS:
        raise BatchTooLarge()
    return events


def _refuse_other_encodings(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise MalformedBatch(f"Byte {error.start} is not UTF-8.") from error


def _bound(body: bytes) -> None:
    """Raise BatchTooLarge for a body that would cost far more memory to read than any batch does."""
    if _count_tokens(body, 0, len(body)) <= MAX_TOKENS:
        return
    # Statements are full of commas, so look again, outside strings.
    tokens = position = 0
    while tokens <= MAX_TOKENS:
        quote = body.find(b'"', position)
        tokens += _count_tokens(body, position, quote if quote >= 0 else len(body))
        if quote < 0:
            break
        string = _STRING.match(body, quote)
        if string is None:
            raise MalformedBatch("A string does not end.")
        position = string.end()
    if tokens > MAX_TOKENS:
        raise BatchTooLarge("No batch of 10,000 events has so many values.")


def _count_tokens(body: bytes, start: int, end: int) -> int:
    return (
        body.count(b",", start, end) + body.count(b"{", start, end) + body.count(b"[", start, end)
    )
