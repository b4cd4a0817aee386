"""OpenID Connect's authorization code flow, as the relying party.

Written on PyJWT and the outbox's checked requests. allauth's provider was considered and left: it
sends no nonce, does not verify the signature of an ID token, takes scopes and parameters of the
request from the query string, keeps client secrets in plain text, and connects to any address.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jwt

from audit.outbox import post
from audit.outbox.destinations import BadUrl
from audit.outbox.errors import DeliveryFailed
from tenants import conf
from tenants.sign_in.sso.errors import ProviderFailed

MOST_BYTES = 256 * 1024
LEEWAY = timedelta(seconds=60)
# Asymmetric only. With "none" or HMAC, someone without the provider's key could make a token.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]


@dataclass(frozen=True, slots=True)
class Client:
    """Keyway's registration at a provider."""

    issuer: str
    client_id: str
    redirect_uri: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that has begun. All three values are secrets of the browser's session."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @classmethod
    def new(cls) -> "Pending":
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


@dataclass(frozen=True, slots=True)
class Claims:
    subject: str
    email: str
    is_email_verified: bool
    authenticated_at: float | None


@dataclass(frozen=True, slots=True)
class Metadata:
    """What Keyway needs of the provider's discovery document."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    takes_secret_in_body: bool
    names_issuer: bool


def discover(issuer: str) -> Metadata:
    """Read the provider's configuration. Raises ProviderFailed."""
    document = _object(_get(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
    if document.get("issuer") != issuer:
        raise ProviderFailed("The provider’s configuration names another issuer.")
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Metadata(
        authorization_endpoint=_url(document, "authorization_endpoint"),
        token_endpoint=_url(document, "token_endpoint"),
        jwks_uri=_url(document, "jwks_uri"),
        userinfo_endpoint=str(document.get("userinfo_endpoint") or ""),
        takes_secret_in_body="client_secret_basic" not in methods,
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def authorization_url(client: Client, metadata: Metadata, pending: Pending, hint: str) -> str:
    challenge = hashlib.sha256(pending.verifier.encode()).digest()
    parameters = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "scope": "openid email",
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "login_hint": hint,
        # So that signing in counts as recent: changes to keys need that.
        "max_age": str(int(conf.recent_sign_in().total_seconds())),
    }
    joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
    return f"{metadata.authorization_endpoint}{joint}{urlencode(parameters)}"


def redeem(client: Client, pending: Pending, answer: Mapping[str, str], at: datetime) -> Claims:
    """Exchange the code of the provider's answer for verified claims. Raises ProviderFailed."""
    metadata = discover(client.issuer)
    # RFC 9207: the answer of another provider must not be redeemed at this one.
    named = answer.get("iss", client.issuer if not metadata.names_issuer else "")
    if named != client.issuer:
        raise ProviderFailed("The answer names another issuer.")
    tokens = _exchange(client, metadata, pending, answer.get("code", ""))
    claims = _verified(client, metadata, pending, str(tokens.get("id_token", "")))
    if "email" not in claims and metadata.userinfo_endpoint:
        more = _userinfo(metadata, str(tokens.get("access_token", "")))
        # OpenID Connect Core, 5.3.2: otherwise a substituted access token adds another's email.
        if more.get("sub") != claims["sub"]:
            raise ProviderFailed("The user information is about another account.")
        claims = {**more, **claims}
    return _read(claims, at)


def _exchange(client: Client, metadata: Metadata, pending: Pending, code: str) -> Mapping[str, Any]:
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": pending.verifier,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if metadata.takes_secret_in_body:
        fields |= {"client_id": client.client_id, "client_secret": client.secret}
    else:
        # RFC 6749, 2.3.1: both are form-encoded before they are joined.
        pair = f"{quote(client.client_id, safe='')}:{quote(client.secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return _object(_send("POST", metadata.token_endpoint, urlencode(fields).encode(), headers))


def _verified(
    client: Client, metadata: Metadata, pending: Pending, token: str
) -> Mapping[str, Any]:
    try:
        key = _key(_object(_get(metadata.jwks_uri)), jwt.get_unverified_header(token))
        claims: dict[str, Any] = jwt.decode(
            token,
            key=key,
            algorithms=_ALGORITHMS,
            audience=client.client_id,
            issuer=client.issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "aud", "iss", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise ProviderFailed(f"The ID token is not valid: {type(error).__name__}.") from error
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), pending.nonce.encode()):
        raise ProviderFailed("The ID token belongs to another sign-in.")
    if claims.get("azp", client.client_id) != client.client_id:
        raise ProviderFailed("The ID token is for another client.")
    return claims


def _key(keys: Mapping[str, Any], header: Mapping[str, Any]) -> jwt.PyJWK:
    """Return the provider's key that the token names. Raises PyJWTError."""
    usable = [
        each
        for each in jwt.PyJWKSet.from_dict(dict(keys)).keys
        if each.public_key_use in (None, "sig") and header.get("kid") in (None, each.key_id)
    ]
    if not usable:
        raise jwt.InvalidKeyError("no such key")
    return usable[0]


def _userinfo(metadata: Metadata, access_token: str) -> Mapping[str, Any]:
    headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
    return _object(_send("GET", metadata.userinfo_endpoint, b"", headers))


def _read(claims: Mapping[str, Any], at: datetime) -> Claims:
    subject, email = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise ProviderFailed("The ID token names no account.")
    told = claims.get("auth_time")
    is_number = isinstance(told, int | float) and not isinstance(told, bool)
    authenticated_at = min(float(told), at.timestamp()) if is_number and told else None
    return Claims(
        subject=subject,
        email=email.strip().lower() if isinstance(email, str) else "",
        # Exactly true: "false" as a string is true in Python.
        is_email_verified=claims.get("email_verified") is True,
        authenticated_at=authenticated_at,
    )


def _get(url: str) -> bytes:
    return _send("GET", url, b"", {"Accept": "application/json"})


def _send(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    try:
        # Header values come from the provider and from a form; a line break would add a header.
        if any(not value.isascii() or not value.isprintable() for value in headers.values()):
            raise ProviderFailed()
        answer = post.exchange(
            method, url, body, headers, allowed=conf.sso_networks(), most=MOST_BYTES
        )
    except (BadUrl, DeliveryFailed) as error:
        raise ProviderFailed(f"The provider cannot be reached: {error}") from error
    if not 200 <= answer.status < 300:
        raise ProviderFailed(f"The provider answered with status {answer.status}.")
    return answer.body


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProviderFailed() from error
    if not isinstance(found, dict):
        raise ProviderFailed()
    return found


def _url(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or urlsplit(value).scheme not in ("https", "http"):
        raise ProviderFailed(f"The provider’s configuration has no {name}.")
    return value
