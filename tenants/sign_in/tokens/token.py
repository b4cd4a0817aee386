"""Sign and verify user tokens (RFC 7519, RFC 8725, RFC 9068). Pure: no database, settings or clock.

The header of an untrusted token is never parsed. It must equal, byte for byte, a header that this
installation writes for one of its keys. An attacker therefore cannot choose the algorithm or key or
point to one (`alg`, `kid`, `jku`, `x5u`, `jwk`, `crit`, `zip`, `b64`). Claims are parsed strictly,
and only after the signature has been verified.
"""

import base64
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

import msgspec
from jwt import PyJWTError
from jwt.api_jws import PyJWS
from msgspec import Meta

from config.lib import strict_json
from config.lib.ids import decode, encode
from config.lib.signing_keys import SigningKey
from config.lib.strict_json import Flaw, Malformed
from tenants.sign_in.tokens.errors import ExpiredToken, InvalidToken

ALGORITHM = "RS256"
MOST_CHARACTERS = 4096
# How far the clock of the host that issued a token may be ahead. Expiry has no such allowance.
SKEW = timedelta(seconds=60)

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
_JWS = PyJWS(algorithms=[ALGORITHM])


class JwtUse(StrEnum):
    """The `typ` of a token. It is part of the compared header, so neither passes for the other."""

    ACCESS = "at+jwt"
    REFRESH = "rt+jwt"


@dataclass(frozen=True, slots=True)
class Token:
    """The contents of a token: ids and times. It contains no rights, which may change meanwhile."""

    use: JwtUse
    id: uuid.UUID
    user_id: uuid.UUID
    family_id: uuid.UUID
    issued_at: datetime
    expires_at: datetime


_Seconds = Annotated[int, Meta(ge=0, le=253_402_300_799)]


class _Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    iss: str
    aud: str
    sub: str
    sid: str
    jti: str
    iat: _Seconds
    nbf: _Seconds
    exp: _Seconds


def is_shaped(text: str) -> bool:
    """Return whether this looks like a JWT: three base64url segments, the last two maybe empty."""
    return _SHAPE.fullmatch(text) is not None


def audience(issuer: str, use: JwtUse) -> str:
    return f"{issuer}/api/v1/" if use is JwtUse.ACCESS else f"{issuer}/api/v1/auth/refresh"


def sign(token: Token, *, key: SigningKey, issuer: str) -> str:
    issued = int(token.issued_at.timestamp())
    claims = _Claims(
        iss=issuer,
        aud=audience(issuer, token.use),
        sub=encode("usr", token.user_id),
        sid=encode("fam", token.family_id),
        jti=encode("tok", token.id),
        iat=issued,
        nbf=issued,
        exp=int(token.expires_at.timestamp()),
    )
    return _JWS.encode(
        msgspec.json.encode(claims),
        key.private,
        ALGORITHM,
        {"kid": key.kid, "typ": token.use.value},
    )


def read(text: str, use: JwtUse, *, keys: Sequence[SigningKey], issuer: str, at: datetime) -> Token:
    """Verify a token and return its contents. Raises InvalidToken, ExpiredToken."""
    # Signature first: nothing below may look at a claim that could be forged.
    claims = _claims(text, _signer(text, use, keys))
    # All uses share the keys, so the audience, too, must match the use.
    if claims.iss != issuer or claims.aud != audience(issuer, use):
        raise InvalidToken()
    token = _token(claims, use)
    if max(claims.nbf, claims.iat) > (at + SKEW).timestamp():
        raise InvalidToken("The token is not valid yet.")
    if token.expires_at <= at:
        raise ExpiredToken()
    return token


def _signer(text: str, use: JwtUse, keys: Sequence[SigningKey]) -> SigningKey:
    # Length first, so that a huge token costs nothing.
    if len(text) > MOST_CHARACTERS or not is_shaped(text):
        raise InvalidToken()
    header = text.partition(".")[0]
    # Compare the encoded bytes; do not decode them. A decoded header may have repeated, reordered
    # or unknown members that one parser ignores and another obeys.
    for key in keys:
        if header == _header(use, key.kid):
            return key
    raise InvalidToken()


@lru_cache(maxsize=32)
def _header(use: JwtUse, kid: str) -> str:
    text = json.dumps({"alg": ALGORITHM, "kid": kid, "typ": use.value}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _claims(text: str, key: SigningKey) -> _Claims:
    try:
        # The algorithm is ours, never the token's: no "none", and no HMAC with the public key.
        claims = strict_json.read(
            strict_json.parse(_JWS.decode(text, key.public, [ALGORITHM])), _Claims
        )
    except (PyJWTError, Malformed) as error:
        raise InvalidToken() from error
    if isinstance(claims, Flaw):
        raise InvalidToken()
    return claims


def _token(claims: _Claims, use: JwtUse) -> Token:
    try:
        return Token(
            use=use,
            id=decode("tok", claims.jti),
            user_id=decode("usr", claims.sub),
            family_id=decode("fam", claims.sid),
            issued_at=datetime.fromtimestamp(claims.iat, UTC),
            expires_at=datetime.fromtimestamp(claims.exp, UTC),
        )
    except ValueError as error:
        raise InvalidToken() from error
