"""Parser of ``KEYWAY_PEPPERS``: ``version:base64`` entries, newest first, comma-separated."""

import base64
import binascii
from typing import NamedTuple

MINIMUM_BYTES = 32


class Pepper(NamedTuple):
    version: int
    key: bytes

    def __repr__(self) -> str:
        return f"Pepper(version={self.version})"


def parse_peppers(text: str) -> tuple[Pepper, ...]:
    """Parse the setting. Raises ValueError, without the secret in its message."""
    peppers = tuple(
        _parse_one(part.strip(), position)
        for position, part in enumerate(text.split(","), 1)
        if part.strip()
    )
    if len({pepper.version for pepper in peppers}) < len(peppers):
        raise ValueError("KEYWAY_PEPPERS: two peppers have the same version")
    return peppers


def _parse_one(part: str, position: int) -> Pepper:
    version, separator, encoded = part.partition(":")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        number = int(version)
    except (ValueError, binascii.Error):
        separator = ""
    if not separator or not 0 < number < 2**15:
        raise ValueError(
            f"KEYWAY_PEPPERS: entry {position} is not VERSION:BASE64 with a version from 1 to 32767"
        )
    return Pepper(number, key)
