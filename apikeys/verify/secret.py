"""The shape of a secret: mint, parse, tag, look up, mask. Pure: no database, no settings, no clock.

``sk_live_`` + 26 random base62 characters + 6 of tag. The tag is base62 of HMAC-SHA256 under the pepper
over all that stands before it, so a string that Keyway did not mint is refused by arithmetic alone:
no query, no Argon2. A stranger needs about 2^35 tries to make one string that gets any further, and
that one still meets a lookup of 2^64 and then the proof.
"""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from config.lib.peppers import Pepper

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 26
TAG_LENGTH = 6
BODY_LENGTH = RANDOM_LENGTH + TAG_LENGTH
MAXIMUM_LENGTH = 80

# \Z, not $: a trailing newline is not part of a secret. ASCII only: a header's odd bytes end here.
_SHAPE = re.compile(
    rf"([a-z][a-z0-9]{{0,15}}(?:_[a-z0-9]{{1,15}})?)_(live|test)_([0-9A-Za-z]{{{BODY_LENGTH}}})\Z",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Plaintext:
    """A secret in the clear, for as long as one request needs it. Neither repr nor str shows it; `reveal` does."""

    prefix: str
    environment: str
    body: str = field(repr=False)

    def __str__(self) -> str:
        return self.mask

    @property
    def mask(self) -> str:
        """The last four are tag, so they give away nothing of the random part."""
        return f"{self.prefix}_{self.environment}_{self.body[:4]}…{self.body[-4:]}"

    def reveal(self) -> str:
        return f"{self.prefix}_{self.environment}_{self.body}"


@dataclass(frozen=True, slots=True)
class Tagged:
    """A secret whose tag holds: the pepper it was minted under, and where its row is (a signed 64-bit number)."""

    plaintext: Plaintext
    pepper_version: int
    lookup: int


def mint(prefix: str, environment: str, pepper: Pepper) -> Tagged:
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    body = random + tag(f"{prefix}_{environment}_{random}", pepper, b"tag")
    plaintext = Plaintext(prefix, environment, body)
    return Tagged(plaintext, pepper.version, _lookup(plaintext, pepper))


def example(prefix: str, environment: str, pepper: Pepper) -> Plaintext:
    """Make the secret that documents show: well formed, always the same, and known to no installation."""
    shown = "3xAmpLe0nLyDoNotUse1tAnyWh"
    return Plaintext(
        prefix, environment, shown + tag(f"{prefix}_{environment}_{shown}", pepper, b"tag")
    )


def parse(presented: str) -> Plaintext | None:
    """Read what has the shape of a secret; None for everything else."""
    if len(presented) > MAXIMUM_LENGTH or not (match := _SHAPE.match(presented)):
        return None
    return Plaintext(*match.groups())


def check_tag(plaintext: Plaintext, peppers: Sequence[Pepper]) -> Tagged | None:
    """Find the pepper that tagged this secret."""
    found = find_pepper(plaintext.reveal(), peppers, b"tag")
    return Tagged(plaintext, found.version, _lookup(plaintext, found)) if found else None


def tag(untagged: str, pepper: Pepper, purpose: bytes) -> str:
    """The six characters that end whatever Keyway hands out for this purpose."""
    number = int.from_bytes(keyed_hash(pepper, purpose, untagged))
    characters = []
    for _ in range(TAG_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[digit])
    return "".join(characters)


def find_pepper(tagged: str, peppers: Sequence[Pepper], purpose: bytes) -> Pepper | None:
    """Tell under which pepper this was tagged. Every pepper is tried, so that time tells nothing of which."""
    found = None
    for pepper in peppers:
        if hmac.compare_digest(tag(tagged[:-TAG_LENGTH], pepper, purpose), tagged[-TAG_LENGTH:]):
            found = pepper
    return found


def _lookup(plaintext: Plaintext, pepper: Pepper) -> int:
    return int.from_bytes(keyed_hash(pepper, b"lookup", plaintext.reveal())[:8], signed=True)


def keyed_hash(pepper: Pepper, purpose: bytes, text: str) -> bytes:
    # The purpose is separated by a byte that no secret can contain: a tag is never a lookup of something else.
    mac = _keyed(pepper, purpose).copy()
    mac.update(text.encode())
    return mac.digest()


@lru_cache(maxsize=64)
def _keyed(pepper: Pepper, purpose: bytes) -> hmac.HMAC:
    """Keyed once, and copied: hmac.digest would let other threads in at each call, which costs more than the hash."""
    return hmac.new(pepper.key, purpose + b"\0", hashlib.sha256)
