"""Text from outside: what may be stored and shown as it is. Pure."""

import unicodedata

# Control, format (including zero-width and bidirectional controls), surrogate, private use,
# unassigned, and line and paragraph separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks by category, but invisible: joiners, fillers, variation selectors, a blank.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")


def is_visible(text: str) -> bool:
    """Return whether no character is invisible, breaks the line or reverses the text."""
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
