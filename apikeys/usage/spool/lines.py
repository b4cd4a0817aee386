"""The lines of a spool: one for each request, and counters of presentations that proved nothing.

A line is the CRC-32 of the rest in eight hexadecimal digits, a space, a JSON array and a newline.
JSON contains no bare newline, so a line that ends in one is whole. The CRC detects lines that a
power failure damaged.
"""

from typing import Annotated
from zlib import crc32

from msgspec import DecodeError, Meta, Struct, json

MOST_USER_AGENT = 256
MOST_ROUTE = 256
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"

Count = Annotated[int, Meta(ge=0, le=2**62)]
# A UUID in hexadecimal. It stays text, because drainers count by it and UUID objects hash slowly.
Id = Annotated[str, Meta(min_length=32, max_length=32)]
Word = Annotated[str, Meta(max_length=32)]


class UseLine(Struct, frozen=True, array_like=True, tag="u"):
    """A request that presented a known secret.

    `at` is in microseconds since 1970, `took` in microseconds.
    """

    at: Count
    key_id: Id
    secret_id: Id
    organization_id: Id
    method: Annotated[str, Meta(max_length=8)]
    route: Annotated[str, Meta(max_length=MOST_ROUTE)]
    status: Annotated[int, Meta(ge=100, le=999)]
    denial: Word
    address: Annotated[str, Meta(max_length=64)]
    user_agent: Annotated[str, Meta(max_length=MOST_USER_AGENT)]
    took: Annotated[int, Meta(ge=0, le=2**31 - 1)]


class UnprovenLine(Struct, frozen=True, array_like=True, tag="n"):
    """Presentations from one network in one minute that proved nothing.

    `minute` counts from 1970.
    """

    minute: Annotated[int, Meta(ge=0, le=2**32)]
    network: Annotated[str, Meta(max_length=64)]
    reason: Word
    requests: Count


Line = UseLine | UnprovenLine
_encoder = json.Encoder()
_decoder: json.Decoder[Line] = json.Decoder(Line)


def encode(line: Line) -> bytes:
    body = _encoder.encode(line)
    return b"%08x %b\n" % (crc32(body), body)


def decode(line: bytes) -> Line | None:
    """Read a line without its newline. Return None if it is not as it was written."""
    body = line[9:]
    if line[:9] != b"%08x " % crc32(body):
        return None
    try:
        return _decoder.decode(body)
    except (DecodeError, UnicodeDecodeError):
        return None


def method(name: str) -> str:
    """Map unknown methods to one name: a caller can send any word, and each would make a row."""
    return name if name in METHODS else OTHER_METHOD
