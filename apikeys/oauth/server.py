"""oauthlib's server with Keyway's grants only.

It has no implicit, password or device flow and no plain PKCE. They are left out here, not disabled
by a setting, so that no setting can enable them.
"""

from functools import cache
from typing import Any

from oauthlib.common import Request
from oauthlib.oauth2.rfc6749.endpoints.authorization import AuthorizationEndpoint
from oauthlib.oauth2.rfc6749.endpoints.revocation import RevocationEndpoint
from oauthlib.oauth2.rfc6749.endpoints.token import TokenEndpoint
from oauthlib.oauth2.rfc6749.grant_types import (
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
)
from oauthlib.oauth2.rfc6749.grant_types.authorization_code import code_challenge_method_s256
from oauthlib.oauth2.rfc6749.tokens import BearerToken

from apikeys import conf as keys_conf
from apikeys.oauth import conf, token_format
from apikeys.oauth.token_format import TokenKind
from apikeys.oauth.validator import Validator

GRANT_TYPES = ("authorization_code", "client_credentials", "refresh_token")


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]  # oauthlib ships no types
    # oauthlib's default also has "plain", whose challenge is the verifier itself: an attacker who
    # sees the authorization request could redeem the code.
    _code_challenge_methods = {"S256": code_challenge_method_s256}

    def create_authorization_code(self, request: Request) -> dict[str, str]:
        code = {"code": _mint(TokenKind.CODE)}
        return code | ({"state": request.state} if request.state else {})


class Server(AuthorizationEndpoint, TokenEndpoint, RevocationEndpoint):  # type: ignore[misc]
    def __init__(self, validator: Validator) -> None:
        code = CodeGrant(validator)
        bearer = BearerToken(
            validator,
            token_generator=lambda _: _mint(TokenKind.ACCESS),
            refresh_token_generator=lambda _: _mint(TokenKind.REFRESH),
            expires_in=lambda _: int(conf.token_lifetime().total_seconds()),
        )
        grants: dict[str, Any] = dict(
            zip(
                GRANT_TYPES,
                (code, ClientCredentialsGrant(validator), RefreshTokenGrant(validator)),
                strict=True,
            )
        )
        AuthorizationEndpoint.__init__(self, "code", bearer, {"code": code})
        # Any other grant type falls to the default one, which refuses it as unsupported.
        TokenEndpoint.__init__(self, "authorization_code", bearer, grants)
        RevocationEndpoint.__init__(self, validator)


@cache
def server() -> Server:
    """The server of this process. It keeps no state between requests."""
    return Server(Validator())


def _mint(kind: TokenKind) -> str:
    return token_format.mint(kind, keys_conf.peppers()[0]).reveal()
