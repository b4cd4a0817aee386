"""Sign a webhook as Standard Webhooks 1.0 says, with a symmetric secret. Pure."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

PREFIX = "whsec_"
BYTES = 32


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A signing secret. Neither repr nor str shows it, so logs cannot; `reveal` returns it."""

    raw: bytes = field(repr=False)

    @classmethod
    def mint(cls) -> "WebhookSecret":
        return cls(secrets.token_bytes(BYTES))

    def __str__(self) -> str:
        return f"{PREFIX}…"

    def reveal(self) -> str:
        return PREFIX + base64.b64encode(self.raw).decode()


def headers(
    body: bytes, *, message_id: str, seconds: int, keys: list[WebhookSecret]
) -> dict[str, str]:
    """Return the three headers, with one signature for each key: two while a secret is rotated."""
    signed = b".".join([message_id.encode(), str(seconds).encode(), body])
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{_mac(key.raw, signed)}" for key in keys),
    }


def _mac(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
