"""Ids: UUIDv7 (RFC 9562) inside, TypeID spelling (prefix, underscore, 26 base32 characters) outside."""

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
    """Make a UUIDv7 greater than every one this process made before.

    The 74 bits beside the millisecond are random; within one millisecond they count up from there
    (RFC 9562, 6.2 method 2), so that sorting by id is sorting by time of making.
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


@lru_cache(maxsize=10_000)  # the same few keys and organizations, at every request
def encode(prefix: str, value: uuid.UUID) -> str:
    """Spell a UUID: ``encode("key", …)`` is ``key_01jd…``."""
    number = value.int
    digits = []
    for _ in range(LENGTH):
        digits.append(ALPHABET[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(digits))}"


def decode(prefix: str, text: str) -> uuid.UUID:
    """Read an id of the given prefix. Raises ValueError for everything else."""
    head, _, digits = text.rpartition("_")
    if head != prefix or len(digits) != LENGTH or digits[0] > "7":
        raise ValueError(f"not a {prefix}_ id")
    number = 0
    for character in digits:
        if character not in _VALUES:
            raise ValueError(f"not a {prefix}_ id")
        number = number << 5 | _VALUES[character]
    return uuid.UUID(int=number)
