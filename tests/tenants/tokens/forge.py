"""Make tokens exactly as Keyway does, except for one difference."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from django.utils import timezone

from config.lib.ids import encode, uuid7
from tenants import conf
from tenants.models import User
from tenants.sign_in import limits
from tenants.sign_in.tokens import services
from tenants.sign_in.tokens.services import Origin, TokenPair, UserToken

ORIGIN = Origin("192.0.2.7", "curl/8")


def signed_in(user: User, *, at: datetime | None = None) -> TokenPair:
    return services.sign_in(user=user, origin=ORIGIN, at=at or timezone.now())


def accepted(access: str, *, at: datetime | None = None) -> UserToken:
    return services.authenticate(access, at=at or timezone.now())


def refreshed(refresh: str, at: datetime | None = None) -> TokenPair:
    return services.refresh(
        refresh, at=at or timezone.now(), address="203.0.113.9", spend=limits.spend_refresh
    )


def segment(content: bytes | dict[str, Any]) -> str:
    content = (
        content
        if isinstance(content, bytes)
        else json.dumps(content, separators=(",", ":")).encode()
    )
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def opened(token: str, part: int) -> dict[str, Any]:
    text = token.split(".")[part]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return read


def header(**changes: Any) -> dict[str, Any]:
    return {"alg": "RS256", "kid": conf.signing_keys()[0].kid, "typ": "at+jwt"} | changes


def claims(good: str, **changes: Any) -> dict[str, Any]:
    return opened(good, 1) | changes


def forged(
    head: bytes | dict[str, Any], payload: bytes | dict[str, Any], key: RSAPrivateKey | None = None
) -> str:
    """Sign with RS256 whatever the header says, with Keyway's own key by default."""
    signed = f"{segment(head)}.{segment(payload)}"
    signature = (key or conf.signing_keys()[0].private).sign(signed.encode(), PKCS1v15(), SHA256())
    return f"{signed}.{segment(signature)}"


def another_user() -> str:
    return encode("usr", uuid7())


HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
