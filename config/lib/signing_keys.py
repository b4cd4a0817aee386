"""Parser of ``KEYWAY_SIGNING_KEYS``: RSA private keys, newest first, comma-separated.

Each key is PKCS#8 DER in base64.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

NAME = "KEYWAY_SIGNING_KEYS"
MINIMUM_BITS = 2048
_EXPONENT = 65537


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A parsed key. Parsing costs a hundred times as much as a signature."""

    kid: str
    private: RSAPrivateKey = field(repr=False)
    public: RSAPublicKey = field(repr=False)

    def as_jwk(self) -> dict[str, str]:
        """Return the public key as a JWK (RFC 7517)."""
        return {**_members(self.public), "kid": self.kid, "use": "sig", "alg": "RS256"}


def generate() -> str:
    """Generate one entry of the setting."""
    key = generate_private_key(_EXPONENT, MINIMUM_BITS)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return base64.urlsafe_b64encode(der).decode().rstrip("=")


@lru_cache(maxsize=4)
def parse_signing_keys(text: str) -> tuple[SigningKey, ...]:
    """Parse the setting, once per process. Raises ValueError, without the secret in its message."""
    keys = tuple(
        _parse_one(part.strip(), position)
        for position, part in enumerate(text.split(","), 1)
        if part.strip()
    )
    if len({key.kid for key in keys}) < len(keys):
        raise ValueError(f"{NAME}: the same key is listed twice")
    return keys


def _parse_one(part: str, position: int) -> SigningKey:
    standard = part.replace("-", "+").replace("_", "/")
    try:
        der = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        private = load_der_private_key(der, password=None)
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, RSAPrivateKey):
        words = f"{NAME}: entry {position} is not an unencrypted RSA key in PKCS#8 DER and base64"
        raise ValueError(words)  # noqa: TRY004
    if private.key_size < MINIMUM_BITS:
        raise ValueError(
            f"{NAME}: entry {position} has {private.key_size} bits, less than {MINIMUM_BITS}"
        )
    public = private.public_key()
    return SigningKey(_thumbprint(public), private, public)


def _members(public: RSAPublicKey) -> dict[str, str]:
    numbers = public.public_numbers()
    return {"e": _spell(numbers.e), "kty": "RSA", "n": _spell(numbers.n)}


def _thumbprint(public: RSAPublicKey) -> str:
    """RFC 7638: SHA-256 over the required members, in order, without spaces."""
    canonical = json.dumps(_members(public), sort_keys=True, separators=(",", ":"))
    return (
        base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).decode().rstrip("=")
    )


def _spell(number: int) -> str:
    return (
        base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8))
        .decode()
        .rstrip("=")
    )
