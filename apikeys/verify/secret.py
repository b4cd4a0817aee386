"""The format of a secret: mint, parse, check the tag, find the lookup, mask.

Pure: no database, no settings, no clock.

A secret is ``sk_live_``, 26 random base62 characters, then a tag of 6. The tag is the base62 form
of an HMAC-SHA256 under the pepper over everything before it. A string that Keyway did not mint
therefore fails by arithmetic, without a query and without Argon2. An attacker needs about 2^35
tries to make one string with a valid tag, and that string still has to hit one of 2^64 lookups and
then the proof.
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

# \Z and not $: `$` also matches before a trailing newline, so two strings would be one secret.
# Explicit ASCII ranges and not \w or \d: those accept other scripts' digits, which would then reach
# the HMAC and the logs.
_SHAPE = re.compile(
    rf"([a-z][a-z0-9]{{0,15}}(?:_[a-z0-9]{{1,15}})?)_(live|test)_([0-9A-Za-z]{{{BODY_LENGTH}}})\Z",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Plaintext:
    """A secret in the clear, kept for one request. Only `reveal` shows it; repr and str do not."""

    prefix: str
    environment: str
    # Tracebacks, debuggers and f-strings print the repr of what they hold.
    body: str = field(repr=False)

    def __str__(self) -> str:
        return self.mask

    @property
    def mask(self) -> str:
        # The last four characters are part of the tag, so the mask shows only four of the 26 random
        # ones. Four more random ones would take about 24 bits off what an attacker has to guess.
        return f"{self.prefix}_{self.environment}_{self.body[:4]}…{self.body[-4:]}"

    def reveal(self) -> str:
        return f"{self.prefix}_{self.environment}_{self.body}"


@dataclass(frozen=True, slots=True)
class Tagged:
    """A secret whose tag is valid, with the pepper that made it and the lookup of its row.

    The lookup is a signed 64-bit number, to fit the column.
    """

    plaintext: Plaintext
    pepper_version: int
    lookup: int


def mint(prefix: str, environment: str, pepper: Pepper) -> Tagged:
    # `secrets` reads from the kernel. The state of the `random` module can be computed from its
    # output, so a caller with many keys could predict the next ones.
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    # The prefix and the environment are under the tag: a test secret cannot be respelled as a live
    # one, nor a public key as an agent key.
    body = random + tag(f"{prefix}_{environment}_{random}", pepper, b"tag")
    plaintext = Plaintext(prefix, environment, body)
    return Tagged(plaintext, pepper.version, _lookup(plaintext, pepper))


def example(prefix: str, environment: str, pepper: Pepper) -> Plaintext:
    """Make the secret that documents show: well formed, constant, and valid in no installation."""
    shown = "3xAmpLe0nLyDoNotUse1tAnyWh"
    return Plaintext(
        prefix, environment, shown + tag(f"{prefix}_{environment}_{shown}", pepper, b"tag")
    )


def parse(presented: str) -> Plaintext | None:
    """Read a string in the format of a secret. Return None for anything else."""
    # Length first: a header may hold many kilobytes, and no valid secret has over 69 characters.
    if len(presented) > MAXIMUM_LENGTH or not (match := _SHAPE.match(presented)):
        return None
    return Plaintext(*match.groups())


def check_tag(plaintext: Plaintext, peppers: Sequence[Pepper]) -> Tagged | None:
    """Return the secret with the pepper that tagged it, or None if no pepper did."""
    found = find_pepper(plaintext.reveal(), peppers, b"tag")
    # The lookup is computed only after the tag: forgeries cost one HMAC a pepper and never a query.
    return Tagged(plaintext, found.version, _lookup(plaintext, found)) if found else None


def tag(untagged: str, pepper: Pepper, purpose: bytes) -> str:
    """Return the six characters that end every secret or token minted for this purpose."""
    number = int.from_bytes(keyed_hash(pepper, purpose, untagged))
    characters = []
    for _ in range(TAG_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[digit])
    return "".join(characters)


def find_pepper(tagged: str, peppers: Sequence[Pepper], purpose: bytes) -> Pepper | None:
    """Return the pepper that tagged this string, or None."""
    found = None
    for pepper in peppers:
        # compare_digest and not ==: the time of == grows with the characters that match, which lets
        # an attacker guess a tag one character at a time.
        if hmac.compare_digest(tag(tagged[:-TAG_LENGTH], pepper, purpose), tagged[-TAG_LENGTH:]):
            # No break: every pepper is tried, so that the time does not show which one matched.
            found = pepper
    return found


def _lookup(plaintext: Plaintext, pepper: Pepper) -> int:
    # Keyed, so that a copy of the table does not let its reader test guesses at a secret, and made
    # for another purpose than the tag, so that the column reveals nothing of the tag either.
    return int.from_bytes(keyed_hash(pepper, b"lookup", plaintext.reveal())[:8], signed=True)


def keyed_hash(pepper: Pepper, purpose: bytes, text: str) -> bytes:
    mac = _keyed(pepper, purpose).copy()
    mac.update(text.encode())
    return mac.digest()


@lru_cache(maxsize=64)
def _keyed(pepper: Pepper, purpose: bytes) -> hmac.HMAC:
    # Keyed once and copied per call. hmac.digest releases the GIL at each call, and waiting to get
    # it back costs more than the hash.
    # The zero byte ends the purpose. No secret contains one, so the hash of one purpose and text is
    # never that of another: without it, ("tag", "sk…") and ("tags", "k…") would be the same bytes.
    return hmac.new(pepper.key, purpose + b"\0", hashlib.sha256)
