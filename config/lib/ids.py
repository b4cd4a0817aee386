"""Ids: UUIDv7 (RFC 9562) in the database, TypeID in public.

A TypeID is a prefix, an underscore and 26 base32 characters.
"""

import os
import threading
import time
import uuid
from functools import lru_cache

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
LENGTH = 26
_COUNTER_BITS = 74

_lock = threading.Lock()
_last = 0


def uuid7() -> uuid.UUID:
    """Return a UUIDv7 greater than every earlier one of this process.

    The 74 bits next to the millisecond are random. Within one millisecond they count up (RFC 9562,
    6.2, method 2), so sorting by id sorts by time of creation.
    """
    global _last
    fresh = (time.time_ns() // 1_000_000) << _COUNTER_BITS | int.from_bytes(os.urandom(10)) >> (
        80 - _COUNTER_BITS
    )
    with _lock:
        _last = value = fresh if fresh > _last else _last + 1
    milliseconds, rest = value >> _COUNTER_BITS, value & ((1 << _COUNTER_BITS) - 1)
    return uuid.UUID(
        int=milliseconds << 80
        | 0x7 << 76
        | (rest >> 62) << 64
        | 0b10 << 62
        | rest & ((1 << 62) - 1)
    )


@lru_cache(maxsize=10_000)  # requests repeat the same few keys and organizations
def encode(prefix: str, value: uuid.UUID) -> str:
    """Format a UUID as a public id. ``encode("key", …)`` returns ``key_01jd…``."""
    number = value.int
    digits = []
    for _ in range(LENGTH):
        digits.append(ALPHABET[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(digits))}"


def decode(prefix: str, text: str) -> uuid.UUID:
    """Parse a public id with this prefix. Raises ValueError for any other text."""
    head, _, digits = text.rpartition("_")
    if head != prefix or len(digits) != LENGTH or digits[0] > "7":
        raise ValueError(f"not a {prefix}_ id")
    number = 0
    for character in digits:
        if character not in _VALUES:
            raise ValueError(f"not a {prefix}_ id")
        number = number << 5 | _VALUES[character]
    return uuid.UUID(int=number)
