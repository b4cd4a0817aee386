"""Text from outside: what may be stored and shown as it is. Pure."""

import unicodedata

# Control, format (zero-width and bidirectional controls among them), surrogate, private, unassigned, line separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks by category, and yet nothing to see: joiners, fillers, variation selectors, the blank of Braille.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")


def is_visible(text: str) -> bool:
    """Whether nothing in `text` is invisible, breaks the line, or turns its reading direction around."""
    return not any(
        character in _BLANKS or unicodedata.category(character) in _REFUSED_CATEGORIES
        for character in text
    )


def printable(value: str, most: int) -> str:
    """Bound a text that a caller chose. What cannot be printed, or stored by every database, is replaced."""
    value = value[:most]
    return (
        value
        if value.isprintable()
        else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
    )
