"""The format of OAuth access tokens, refresh tokens, authorization codes and client secrets. Pure.

``oat_`` + 43 random base62 characters (256 bits) + a tag of 6 characters, which is an HMAC-SHA256
under the pepper over everything before it. A token that Keyway did not mint fails the tag and is
refused without a query. Tokens are stored and looked up as a second HMAC only. A slow hash would
add nothing: 256 random bits cannot be guessed, and every request presents a token.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from apikeys.verify.secret import ALPHABET, TAG_LENGTH, find_pepper, keyed_hash, tag
from config.lib.peppers import Pepper

RANDOM_LENGTH = 43
_TAG = b"oauth tag"

_SHAPE = re.compile(rf"(?:oat|ort|oac|ocs)_[0-9A-Za-z]{{{RANDOM_LENGTH + TAG_LENGTH}}}\Z", re.ASCII)


class TokenKind(StrEnum):
    """The prefix of each kind. A token of one kind is never accepted as another."""

    ACCESS = "oat"
    REFRESH = "ort"
    CODE = "oac"
    SECRET = "ocs"  # noqa: S105  a prefix


@dataclass(frozen=True, slots=True)
class PlainToken:
    """A token in plaintext. Neither repr nor str shows it, so logs cannot; `reveal` returns it."""

    text: str = field(repr=False)

    def __str__(self) -> str:
        return self.mask

    @property
    def mask(self) -> str:
        """The prefix, the first four random characters and the last four of the tag."""
        return f"{self.text[:8]}…{self.text[-4:]}"

    def reveal(self) -> str:
        return self.text


def mint(kind: TokenKind, pepper: Pepper) -> PlainToken:
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    untagged = f"{kind}_{random}"
    return PlainToken(untagged + tag(untagged, pepper, _TAG))


def example(kind: TokenKind, pepper: Pepper) -> PlainToken:
    """Make the token that documents show.

    Well formed, always the same, unknown to every installation.
    """
    untagged = f"{kind}_{'3xAmpLe0nLyDoNotUse1tAnyWh'.ljust(RANDOM_LENGTH, '0')}"
    return PlainToken(untagged + tag(untagged, pepper, _TAG))


def digest(presented: str, kind: TokenKind, peppers: Sequence[Pepper]) -> str | None:
    """Return the stored hash of a token of this kind, or None if no pepper's tag matches."""
    # Refuse another kind here, without a query. It would not be found either, because each kind has
    # its own column; this keeps a shared table or a collision from ever mattering.
    if not _SHAPE.match(presented) or not presented.startswith(f"{kind}_"):
        return None
    pepper = find_pepper(presented, peppers, _TAG)
    # A label of its own keeps the stored hash independent of the tag, which anyone with the token
    # sees.
    return keyed_hash(pepper, b"oauth digest", presented).hex() if pepper else None
