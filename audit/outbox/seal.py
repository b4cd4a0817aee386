"""Encrypt what the database keeps for later, so that a copy of it reveals no reset link or secret.

Each purpose has a key of its own, derived from SECRET_KEY.
"""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# Changing a purpose makes everything sealed for it unreadable.
PAYLOAD = b"keyway.outbox.payload.1"


class SealBroken(Exception):
    """It was sealed under a key that is no longer configured, or was altered."""


def seal(plain: bytes, keys: tuple[str, ...], purpose: bytes = PAYLOAD) -> bytes:
    return _box(keys, purpose).encrypt(plain)


def open_sealed(sealed: bytes, keys: tuple[str, ...], purpose: bytes = PAYLOAD) -> bytes:
    """Raises SealBroken."""
    try:
        return _box(keys, purpose).decrypt(sealed)
    except InvalidToken as error:
        raise SealBroken() from error


def is_current(sealed: bytes, keys: tuple[str, ...], purpose: bytes) -> bool:
    """Return whether it is sealed under the newest key, so that the others can go."""
    try:
        _box(keys[:1], purpose).decrypt(sealed)
    except InvalidToken:
        return False
    return True


@lru_cache(maxsize=8)
def _box(keys: tuple[str, ...], purpose: bytes) -> MultiFernet:
    return MultiFernet([Fernet(_derive(key, purpose)) for key in keys])


def _derive(key: str, purpose: bytes) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key.encode())
    return base64.urlsafe_b64encode(derived)
