"""Names contain no invisible or misleading characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.lib.text import is_visible


@pytest.mark.parametrize(
    "text",
    [
        "SIEM Integration",
        "Müller’s Skript №1",
        "生産 SQL",
        "naïve café",
        "🔑 key",
        "<script>",
        "עברית",
        "",
    ],
)
def test_names_in_any_script_are_accepted(text: str) -> None:
    assert is_visible(text)


@pytest.mark.parametrize(
    "character",
    [
        *("\0", "\t", "\n", "\r", "\x1b", "\x7f", "\u0085", "\u00ad"),
        *("\u200b", "\u200d", "\u200e", "\u202a", "\u202e", "\u2028", "\u2066", "\u2069", "\ufeff"),
        *("\ud800", "\ue000", "\u3164", "\u2800", "\u180b", "\U000e0041", "\uffff"),
    ],
    ids=ascii,
)
def test_invisible_characters_are_refused_anywhere(character: str) -> None:
    assert is_visible("Key of bob")
    for text in (
        character,
        f"Key{character} of bob",
        f"{character}Key of bob",
        f"Key of bob{character}",
    ):
        assert not is_visible(text)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_printable_ascii_is_always_accepted(text: str) -> None:
    assert is_visible(text)
