"""The shape of a user token: signed and read, over values only. RFC 7519, RFC 8725, RFC 9068.

A stranger's token is not parsed. Its header must be, to the byte, one that this installation writes for a key it has: so
no header names an algorithm, a key, a file or an address to us (`alg`, `kid`, `jku`, `x5u`, `jwk`, `crit`, `zip`, `b64`).
Its claims are read after the signature holds, and strictly.
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
# How far another host's clock may be ahead of ours. Expiry has no such allowance.
SKEW = timedelta(seconds=60)

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
_JWS = PyJWS(algorithms=[ALGORITHM])


class Use(StrEnum):
    """What a token is for: its `typ`, so that neither passes for the other."""

    ACCESS = "at+jwt"
    REFRESH = "rt+jwt"


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says: ids and times. Nobody's rights are in it."""

    use: Use
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
    """Whether this is meant as a JWT: three base64url segments, though the last two may be empty."""
    return _SHAPE.fullmatch(text) is not None


def audience(issuer: str, use: Use) -> str:
    return f"{issuer}/api/v1/" if use is Use.ACCESS else f"{issuer}/api/v1/auth/refresh"


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


def read(text: str, use: Use, *, keys: Sequence[SigningKey], issuer: str, at: datetime) -> Token:
    """Return what a token says that one of `keys` signed for this use. Raises InvalidToken, ExpiredToken."""
    claims = _claims(text, _signer(text, use, keys))
    if claims.iss != issuer or claims.aud != audience(issuer, use):
        raise InvalidToken()
    token = _token(claims, use)
    if max(claims.nbf, claims.iat) > (at + SKEW).timestamp():
        raise InvalidToken("The token is not valid yet.")
    if token.expires_at <= at:
        raise ExpiredToken()
    return token


def _signer(text: str, use: Use, keys: Sequence[SigningKey]) -> SigningKey:
    if len(text) > MOST_CHARACTERS or not is_shaped(text):
        raise InvalidToken()
    header = text.partition(".")[0]
    for key in keys:
        if header == _header(use, key.kid):
            return key
    raise InvalidToken()


@lru_cache(maxsize=32)
def _header(use: Use, kid: str) -> str:
    text = json.dumps({"alg": ALGORITHM, "kid": kid, "typ": use.value}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _claims(text: str, key: SigningKey) -> _Claims:
    try:
        claims = strict_json.read(
            strict_json.parse(_JWS.decode(text, key.public, [ALGORITHM])), _Claims
        )
    except (PyJWTError, Malformed) as error:
        raise InvalidToken() from error
    if isinstance(claims, Flaw):
        raise InvalidToken()
    return claims


def _token(claims: _Claims, use: Use) -> Token:
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
