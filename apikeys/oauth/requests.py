"""Read requests to the OAuth endpoints: known parameters only, each once, bounded and plain ASCII.

Codes, tokens and client secrets are replaced here by their keyed hashes, so that no later code can
log or compare one in plaintext.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, QueryDict
from oauthlib.oauth2.rfc6749 import errors

from apikeys import conf
from apikeys.oauth import token_format
from apikeys.oauth.token_format import TokenKind
from apikeys.verify import throttling
from apikeys.verify.denials import Denial

BODY_BYTES = 16 * 1024
LENGTH = 2048
FORM = "application/x-www-form-urlencoded"
# RFC 6749, appendix A: visible ASCII and the space.
_PLAIN = re.compile(r"[\x20-\x7e]*\Z")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}\Z", re.ASCII)

AUTHORIZE = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)
_PRESENTED = {
    "code": TokenKind.CODE,
    "refresh_token": TokenKind.REFRESH,
    "client_secret": TokenKind.SECRET,
}
_PARAMETERS = (
    "grant_type",
    "redirect_uri",
    "client_id",
    "scope",
    "code_verifier",
    "token",
    "token_type_hint",
    *_PRESENTED,
)
# Replaces a value that Keyway did not mint. No hash equals it, so a forged token takes the same
# path as an unknown one and gets the same answer.
_UNKNOWN = "-"


def read_authorization(query: QueryDict) -> dict[str, str]:
    """Read an authorization request. Raises InvalidRequestFatalError, which must not redirect."""
    parameters = dict(_known(query, AUTHORIZE, errors.InvalidRequestFatalError))
    if "code_challenge" in parameters and not _CHALLENGE.match(parameters["code_challenge"]):
        # oauthlib would accept a malformed challenge. It refuses an unknown method and redirects,
        # so that the application learns why. Without the challenge, the request could count as one
        # of an application that authorizes without PKCE.
        parameters["code_challenge_method"] = "malformed"
    return parameters


def read_form(request: HttpRequest) -> dict[str, str]:
    """Read the parameters of an application's POST. Raises OAuth2Error.

    A client that authenticates in two ways at once is refused.
    """
    # Servers and proxies log query strings, so a secret in one is refused even if it is correct.
    if request.META.get("QUERY_STRING") or request.content_type != FORM:
        raise errors.InvalidRequestError(f"Send parameters in a body of {FORM}.")
    if not _is_bounded(request):
        raise errors.InvalidRequestError(f"The body is larger than {BODY_BYTES} bytes.")
    try:
        parameters = dict(_known(request.POST, _PARAMETERS, errors.InvalidRequestError))
    except SuspiciousOperation as error:  # more parameters than Django reads
        raise errors.InvalidRequestError() from error
    parameters |= _basic_credentials(request, parameters)
    # After Basic has added the client secret, so that it is hashed too.
    return parameters | _hashed(parameters)


def _hashed(parameters: dict[str, str]) -> dict[str, str]:
    hashed = {
        name: _stored(parameters[name], kind) or _UNKNOWN
        for name, kind in _PRESENTED.items()
        if name in parameters
    }
    if token := parameters.get("token"):
        # Both kinds are tried: `token_type_hint` is the client's guess and may be wrong (RFC 7009,
        # 2.1).
        stored = _stored(token, TokenKind.ACCESS) or _stored(token, TokenKind.REFRESH)
        hashed["token"] = stored or _UNKNOWN
    return hashed


def count_failure(request: HttpRequest) -> Denial | None:
    """Count a failed attempt. Returns a denial once the caller's network exceeds the limit."""
    return throttling.refuse(request.META)


def _is_bounded(request: HttpRequest) -> bool:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0) <= BODY_BYTES
    except ValueError:
        return False


def _known(
    parameters: QueryDict, names: tuple[str, ...], error: type[Exception]
) -> Iterator[tuple[str, str]]:
    """Yield the named parameters that have a value.

    RFC 6749, 3.1: ignore unknown parameters and those without a value, refuse repeated ones.
    """
    for name in names:
        values = parameters.getlist(name)
        if len(values) > 1 or any(
            len(value) > LENGTH or not _PLAIN.match(value) for value in values
        ):
            raise error(f"The parameter {name} is repeated, too long, or not plain ASCII.")
        if values and values[0]:
            yield name, values[0]


def _basic_credentials(request: HttpRequest, parameters: dict[str, str]) -> dict[str, str]:
    """Read the client id and secret of `Authorization: Basic` (RFC 6749, 2.3.1), if present."""
    scheme, _, encoded = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if not scheme:
        return {}
    try:
        decoded = base64.b64decode(encoded.strip().encode(), validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise errors.InvalidClientError() from error
    client_id, colon, secret = (unquote_plus(part) for part in decoded.partition(":"))
    if scheme.lower() != "basic" or not colon or not _PLAIN.match(client_id + secret):
        raise errors.InvalidClientError()
    # Accepting both would leave open which one counts, and let a request name a second client.
    if "client_secret" in parameters or parameters.get("client_id", client_id) != client_id:
        raise errors.InvalidRequestError("Use one method of client authentication, not two.")
    return {"client_id": client_id, "client_secret": secret}


def _stored(presented: str, kind: TokenKind) -> str | None:
    return token_format.digest(presented, kind, conf.peppers())
