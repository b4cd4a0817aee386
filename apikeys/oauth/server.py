"""oauthlib's server with Keyway's grants and no others: no implicit flow, no password, no device, no plain PKCE."""

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
from apikeys.oauth.token_format import Use
from apikeys.oauth.validator import Validator

GRANT_TYPES = ("authorization_code", "client_credentials", "refresh_token")


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]  # oauthlib ships no types
    _code_challenge_methods = {"S256": code_challenge_method_s256}

    def create_authorization_code(self, request: Request) -> dict[str, str]:
        return {"code": _mint(Use.CODE)} | ({"state": request.state} if request.state else {})


class Server(AuthorizationEndpoint, TokenEndpoint, RevocationEndpoint):  # type: ignore[misc]
    def __init__(self, validator: Validator) -> None:
        code = CodeGrant(validator)
        bearer = BearerToken(
            validator,
            token_generator=lambda _: _mint(Use.ACCESS),
            refresh_token_generator=lambda _: _mint(Use.REFRESH),
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
        # Every other grant type goes to the default one, which refuses it as unsupported.
        TokenEndpoint.__init__(self, "authorization_code", bearer, grants)
        RevocationEndpoint.__init__(self, validator)


@cache
def server() -> Server:
    """This process's server: it keeps nothing between requests."""
    return Server(Validator())


def _mint(use: Use) -> str:
    return token_format.mint(use, keys_conf.peppers()[0]).reveal()
