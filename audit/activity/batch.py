"""Parse a request body, a JSON array or NDJSON, into a verdict on each event.

Nearly every batch is entirely valid. The fast path reads such a batch several times faster than
the slow path. It never accepts what the slow path would refuse: in doubt, it raises
_NeedsSlowPath and the slow path reads the whole body again and names each flaw.
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
# Braces, brackets and commas outside strings. 10,000 complete events need 190,000. Without a limit,
# the slow path would turn 10 MiB of `[],` into 250 MB of lists before it counts them. The fast path
# decodes straight into Event and stops at the first `[]`, so it needs no limit.
MAX_TOKENS = 300_000

Verdict = Event | Flaw


class Verdicts(list[Verdict]):
    """One verdict for each event of a batch.

    `encoded` is the output of audit.activity.event.encode if every event is valid, otherwise None.
    """

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
    detail = "A batch can have at most 10,000 events and 10 MiB uncompressed."


class _NeedsSlowPath(Exception):
    """The fast path cannot prove that the batch is valid."""


def read_array(body: bytes) -> Verdicts:
    """Read a JSON array of events. Raises MalformedBatch, BatchTooLarge."""
    try:
        return _fast_path(body, _decode_array, _decode_flat_array)
    except _NeedsSlowPath:
        _bound(body)
        return Verdicts(strict_json.read(value, Event) for value in _limited(_slow_array(body)))


def read_lines(body: bytes) -> Verdicts:
    """Read NDJSON: one event per line, ignoring blank lines. Raises MalformedBatch, BatchTooLarge.

    A line that is not JSON is a flaw of that event only, not of the batch.
    """
    try:
        return _fast_path(body, _by_line(_decode_event), _by_line(_decode_flat))
    except _NeedsSlowPath:
        _bound(body)
        _refuse_other_encodings(body)
        return Verdicts(_read_line(line) for line in _limited(_split(body)))


def _fast_path(body: bytes, decode_events: _Decode, decode_flat: _Decode) -> Verdicts:
    """Decode the whole batch at once. Raises _NeedsSlowPath unless every event is certainly valid.

    msgspec checks types, limits, UTF-8 and unknown fields, but differs from the slow path twice.
    It accepts U+0000, which PostgreSQL cannot store, and it keeps the last of two equal keys, which
    would hide half of what was sent. Both checks below must therefore stay.
    """
    is_plain = b"\\" not in body
    # Without a backslash the body cannot contain an escaped NUL, and a raw NUL is invalid JSON.
    if not is_plain and rb"\u0000" in body:
        raise _NeedsSlowPath
    try:
        events = Verdicts(_limited(decode_events(body)))
        events.encoded = encode(events)  # type: ignore[arg-type]  # every verdict is an Event
        # Encoding writes the key of each non-empty field exactly once. Without escapes, a body with
        # the same number of quotes therefore repeats no key and spells out no empty field.
        if is_plain and body.count(b'"') == events.encoded.count(b'"'):
            return events
        # Otherwise count keys instead: as many as encoding writes, or as many as decoding to plain
        # dicts leaves. A repeated key adds to the body's count but to neither of the others.
        keys = _count_keys(body.translate(None, _WHITESPACE))
        if keys == _count_keys(events.encoded) or keys == sum(map(len, decode_flat(body))):
            return events
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _NeedsSlowPath from error
    raise _NeedsSlowPath


def _count_keys(dense: bytes) -> int:
    """Count the keys in flat objects that hold known fields only, with whitespace removed.

    Every key ends in `":`. Inside a string value a quote follows a backslash, so `\":` marks text,
    not a key: no field name ends in a backslash.
    """
    return dense.count(b'":') - dense.count(rb"\":")


def _slow_array(body: bytes) -> list[Any]:
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
    """Raise BatchTooLarge for a body that would take far more memory to parse than a batch does.

    Call before the slow path parses anything.
    """
    if _count_tokens(body, 0, len(body)) <= MAX_TOKENS:
        return
    # SQL statements are full of commas, so count again outside strings before refusing.
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
