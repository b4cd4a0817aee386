"""Encrypt payloads, so that a copy of the database or a backup reveals no password reset link."""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# Separates this key from the others derived from SECRET_KEY. Changing it makes every waiting
# message unreadable.
_PURPOSE = b"keyway.outbox.payload.1"


class SealBroken(Exception):
    """The payload was sealed under a key that is no longer configured, or was altered."""


def seal(payload: bytes, keys: tuple[str, ...]) -> bytes:
    return _box(keys).encrypt(payload)


def open_sealed(sealed: bytes, keys: tuple[str, ...]) -> bytes:
    """Raises SealBroken."""
    try:
        return _box(keys).decrypt(sealed)
    except InvalidToken as error:
        raise SealBroken() from error


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derive(key)) for key in keys])


def _derive(key: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key.encode())
    return base64.urlsafe_b64encode(derived)
