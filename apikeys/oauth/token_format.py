"""What OAuth hands out: access and refresh tokens, authorization codes, client secrets. Pure.

``oat_`` + 43 random base62 characters (256 bits) + 6 of tag, HMAC-SHA256 under the pepper over all that stands before it.
What Keyway did not mint is refused by arithmetic, without a query; what it did is stored and looked up as a second HMAC
only. No slow hash: nobody guesses 256 bits, and a token is presented with every request.
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


class Use(StrEnum):
    ACCESS = "oat"
    REFRESH = "ort"
    CODE = "oac"
    SECRET = "ocs"  # noqa: S105  a prefix


@dataclass(frozen=True, slots=True)
class Plaintext:
    """In the clear, for as long as one answer needs it. Neither repr nor str shows it; `reveal` does."""

    text: str = field(repr=False)

    def __str__(self) -> str:
        return self.mask

    @property
    def mask(self) -> str:
        """The last four are tag."""
        return f"{self.text[:8]}…{self.text[-4:]}"

    def reveal(self) -> str:
        return self.text


def mint(use: Use, pepper: Pepper) -> Plaintext:
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    untagged = f"{use}_{random}"
    return Plaintext(untagged + tag(untagged, pepper, _TAG))


def example(use: Use, pepper: Pepper) -> Plaintext:
    """Make the token that documents show: well formed, always the same, and known to no installation."""
    untagged = f"{use}_{'3xAmpLe0nLyDoNotUse1tAnyWh'.ljust(RANDOM_LENGTH, '0')}"
    return Plaintext(untagged + tag(untagged, pepper, _TAG))


def digest(presented: str, use: Use, peppers: Sequence[Pepper]) -> str | None:
    """What is stored of a token that one of the peppers tagged for this use; None for everything else."""
    if not _SHAPE.match(presented) or not presented.startswith(f"{use}_"):
        return None
    pepper = find_pepper(presented, peppers, _TAG)
    return keyed_hash(pepper, b"oauth digest", presented).hex() if pepper else None
