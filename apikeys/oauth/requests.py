"""What comes to OAuth's addresses from outside, made harmless: known parameters, each once, bounded and plain.

Codes, tokens and secrets are replaced here by what is stored of them, so that nothing behind holds one, logs one or
compares one in the clear.
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
from apikeys.oauth.token_format import Use
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
_PRESENTED = {"code": Use.CODE, "refresh_token": Use.REFRESH, "client_secret": Use.SECRET}
_SENT = (
    "grant_type",
    "redirect_uri",
    "client_id",
    "scope",
    "code_verifier",
    "token",
    "token_type_hint",
    *_PRESENTED,
)
# No hash looks like it: found nowhere, and refused as what is merely wrong.
_NOTHING = "-"


def read_question(query: QueryDict) -> dict[str, str]:
    """Read what an application asks a person for. Raises InvalidRequestFatalError, which must not redirect."""
    asked = dict(_known(query, AUTHORIZE, errors.InvalidRequestFatalError))
    if "code_challenge" in asked and not _CHALLENGE.match(asked["code_challenge"]):
        # Left out, it is refused as missing, by an answer that the application gets.
        del asked["code_challenge"]
    return asked


def read_form(request: HttpRequest) -> dict[str, str]:
    """Read what an application sends. Raises OAuth2Error; client authentication in two ways at once is refused."""
    if request.META.get("QUERY_STRING") or request.content_type != FORM:
        raise errors.InvalidRequestError(f"Send parameters in a body of {FORM}.")
    if not _is_bounded(request):
        raise errors.InvalidRequestError(f"The body is larger than {BODY_BYTES} bytes.")
    try:
        sent = dict(_known(request.POST, _SENT, errors.InvalidRequestError))
    except SuspiciousOperation as error:  # more parameters than Django reads
        raise errors.InvalidRequestError() from error
    sent |= _basic(request, sent)
    if "token" in sent:
        sent["token"] = (
            _stored(sent["token"], Use.ACCESS) or _stored(sent["token"], Use.REFRESH) or _NOTHING
        )
    return sent | {
        name: _stored(sent[name], use) or _NOTHING
        for name, use in _PRESENTED.items()
        if name in sent
    }


def count_failure(request: HttpRequest) -> Denial | None:
    """Past the limit for refused presentations from one network, how long to wait."""
    return throttling.refuse(request.META)


def _is_bounded(request: HttpRequest) -> bool:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0) <= BODY_BYTES
    except ValueError:
        return False


def _known(
    given: QueryDict, names: tuple[str, ...], error: type[Exception]
) -> Iterator[tuple[str, str]]:
    """The parameters of these names that have a value; RFC 6749, 3.1 has others ignored and repeated ones refused."""
    for name in names:
        values = given.getlist(name)
        if len(values) > 1 or any(
            len(value) > LENGTH or not _PLAIN.match(value) for value in values
        ):
            raise error(f"The parameter {name} is repeated, too long, or not plain ASCII.")
        if values and values[0]:
            yield name, values[0]


def _basic(request: HttpRequest, sent: dict[str, str]) -> dict[str, str]:
    """The client's id and secret of `Authorization: Basic` (RFC 6749, 2.3.1), if it has one."""
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
    if "client_secret" in sent or sent.get("client_id", client_id) != client_id:
        raise errors.InvalidRequestError("Authenticate the client in one way, not in two.")
    return {"client_id": client_id, "client_secret": secret}


def _stored(presented: str, use: Use) -> str | None:
    return token_format.digest(presented, use, conf.peppers())
