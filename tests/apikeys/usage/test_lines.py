"""Lines: only what was written is read back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from apikeys.usage.spool.lines import UnprovenLine, UseLine, decode, encode
from config.lib.text import printable


def use(number: int = 0) -> UseLine:
    ids = "1" * 32, "2" * 32, "3" * 32
    return UseLine(number, *ids, "GET", "/x", 200, "", "127.0.0.1", "tests", 1)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_not_decoded(garbage: bytes) -> None:
    assert decode(garbage) is None


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 255))
def test_changed_byte_breaks_a_line(at: int, by: int) -> None:
    line = bytearray(encode(use(7))[:-1])
    at %= len(line)
    line[at] ^= by
    changed = decode(bytes(line))
    assert changed is None or (at < 8 and changed == use(7)), (
        "only the case of a hexadecimal digit may differ"
    )


@settings(deadline=None)
@given(st.text(), st.integers(1, 40))
def test_caller_text_is_bounded_and_printable(value: str, most: int) -> None:
    bounded = printable(value, most)
    assert len(bounded) == min(len(value), most)
    assert bounded.isprintable()
    line = encode(UnprovenLine(0, bounded[:64], "invalid_key", 1))
    assert line.count(b"\n") == 1
