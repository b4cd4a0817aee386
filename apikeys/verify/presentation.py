"""Find the credential in a request, verify it, and note it for the usage record.

Django REST framework (apikeys.api.authentication) and the gateway (apikeys.verify.gateway) both
call `resolve`, so a key gets the same verdict from either. `meta` is a WSGI environment: Django's
META.
"""

from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any

from apikeys import conf
from apikeys.oauth import verification as tokens
from apikeys.verify import secret, throttling, usage_note
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, authorize, verify
from config.lib.client_ip import client_ip
from tenants.sign_in.tokens.token import is_shaped


class BearerToken(str):
    """A value of `Authorization: Bearer` that is neither an API key nor a user token."""

    __slots__ = ()


def resolve(meta: MutableMapping[str, Any], *, at: datetime) -> Credential | Denial | None:
    """Return the credential of a request, the denial of it, or None if it presents none."""
    presented = find(meta)
    if presented is None:
        return None
    outcome = usage_note.admit(meta, _verify(meta, presented, at))
    if isinstance(outcome, Denial):
        return outcome
    organization = meta.get("HTTP_X_ORGANIZATION_ID")
    if organization is not None and (denial := authorize(outcome, organization=organization)):
        return denial
    return outcome


def _verify(
    meta: MutableMapping[str, Any], presented: str | Denial, at: datetime
) -> Credential | Denial:
    if isinstance(presented, Denial):
        return throttling.refuse(meta, presented) or presented
    address = client_ip(meta)
    if isinstance(presented, BearerToken):
        return throttling.within_limits(meta, presented, lambda text: tokens.verify(text, now=at))
    return throttling.within_limits(
        meta, presented, lambda text: verify(text, now=at, address=address)
    )


def find(meta: Mapping[str, Any]) -> str | Denial | None:
    """Return the one credential of a request, a denial of several, or None if there is none."""
    header: str | None = meta.get("HTTP_X_API_KEY")
    authorization: str | None = meta.get("HTTP_AUTHORIZATION")
    bearer = _bearer(authorization) if authorization else None
    # Refused and not resolved by precedence: a proxy and Keyway could each choose another one.
    # Repeated X-API-Key headers arrive joined by a comma.
    if header is not None and ("," in header or bearer is not None):
        return Denial(Reason.SEVERAL_CREDENTIALS)
    if bearer is None:
        return header.strip() if header is not None else None
    if _looks_like_a_key(bearer):
        return bearer if conf.accepts_bearer_keys() else Denial(Reason.KEY_IN_BEARER)
    return None if is_shaped(bearer) else BearerToken(bearer)


def _bearer(authorization: str) -> str | None:
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _looks_like_a_key(token: str) -> bool:
    return secret.parse(token) is not None or token.startswith(
        tuple(f"{prefix}_" for prefix in conf.prefixes().values())
    )
