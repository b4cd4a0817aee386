"""Checks on text from outside before it is stored and shown. Pure."""

import unicodedata

# Control, format (including zero-width and bidirectional controls), surrogate, private use,
# unassigned, line and paragraph separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Invisible although their category is letter or mark: joiners, fillers, variation selectors, the
# Braille blank.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")


def is_visible(text: str) -> bool:
    """Return whether no character is invisible, breaks the line or changes text direction."""
    return not any(
        character in _BLANKS or unicodedata.category(character) in _REFUSED_CATEGORIES
        for character in text
    )


def printable(value: str, most: int) -> str:
    """Truncate text from a caller, and replace characters that cannot be printed or stored."""
    value = value[:most]
    return (
        value
        if value.isprintable()
        else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
    )
