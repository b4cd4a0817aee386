"""The validator that oauthlib calls at each step of the protocol, on Keyway's models.

apikeys.oauth.requests has already replaced every presented code, token and secret by its keyed
hash. Nothing here or in oauthlib sees plaintext, and a lookup by hash is a plain equality.
"""

import re
from typing import Any

from django.utils import timezone
from django.utils.crypto import constant_time_compare
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors

from apikeys import scopes as registry
from apikeys.oauth import tokens
from apikeys.oauth.errors import AlreadyUsed
from apikeys.oauth.models import Application, Grant, RefreshToken
from apikeys.oauth.tokens import Minted
from tenants.models import Membership

_CLIENT_ID = re.compile(r"app_[0-9a-z]{26}\Z", re.ASCII)


class Validator(OAuth2Validator):  # type: ignore[misc]  # the toolkit ships no types
    def _load_application(self, client_id: str, request: Request) -> Application | None:
        if request.client is None and _CLIENT_ID.match(client_id or ""):
            # `usable` is what refuses a disabled application and a suspended organization, at every
            # endpoint and in every grant, since all of them load the application here.
            usable = Application.objects.usable().select_related("organization")
            request.client = usable.filter(client_id=client_id).first()
        known: Application | None = request.client
        return known

    def _check_secret(self, provided_secret: str, stored_secret: str) -> bool:
        """Compare two keyed hashes."""
        # A public client stores "", which must not match, whatever is presented.
        return bool(stored_secret) and constant_time_compare(provided_secret, stored_secret)

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Application, request: Request, **more: Any
    ) -> bool:
        return bool(scopes) and registry.canonical_all(scopes) <= client.grantable

    def get_default_scopes(self, client_id: str, request: Request, **more: Any) -> list[str]:
        return sorted(request.client.grantable)

    def save_authorization_code(
        self, client_id: str, code: dict[str, str], request: Request, **more: Any
    ) -> None:
        consent = tokens.Consent(
            request.client,
            request.membership,
            request.scopes,
            request.redirect_uri,
            request.code_challenge,
        )
        tokens.consent(consent, code=code["code"], by=request.actor)

    def validate_code(
        self, client_id: str, code: str, client: Application, request: Request, **more: Any
    ) -> bool:
        """Check an authorization code. Ends the family of a code that was used before."""
        # Only the application's own codes. Otherwise another application could end a family, or
        # learn that a code exists.
        grants = Grant.objects.filter(code=code, application=client).select_related(
            "application", "membership__user"
        )
        grant = grants.first()
        if grant is None:
            return False
        # Before the expiry: a stolen code is usually presented late, and still ends the tokens it
        # yielded (RFC 6749, 4.1.2).
        if grant.used_at:
            tokens.end_family(family=grant.family, application=client, why="code used again")
            return False
        if grant.is_expired() or not _is_active(grant.membership):
            return False
        # RFC 9700, 4.8.2: a verifier without a challenge means that an attacker removed the
        # challenge from the authorization request.
        if request.code_verifier and not grant.code_challenge:
            return False
        request.grant, request.user, request.scopes = grant, grant.user, grant.scope.split()
        return True

    def confirm_redirect_uri(
        self,
        client_id: str,
        code: str,
        redirect_uri: str,
        client: Application,
        request: Request,
        **more: Any,
    ) -> bool:
        return bool(redirect_uri == request.grant.redirect_uri)

    def is_pkce_required(self, client_id: str, request: Request) -> bool:
        # Of the application as it is now: a code that was asked for without a challenge is refused
        # once the application has to send one.
        return bool(request.client.requires_pkce)

    def get_code_challenge(self, code: str, request: Request) -> str | None:
        # None, not "": oauthlib would compare a verifier with an empty challenge.
        return str(request.grant.code_challenge) or None

    def get_code_challenge_method(self, code: str, request: Request) -> str:
        return str(request.grant.code_challenge_method)

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Request, **more: Any
    ) -> None:
        """Do nothing. `tokens.redeem` marks the code as used when it stores the tokens.

        oauthlib calls this after save_bearer_token. Deleting the code here would undo the detection
        of a code that is presented again.
        """

    def validate_refresh_token(
        self, refresh_token: str, client: Application, request: Request, **more: Any
    ) -> bool:
        """Check a refresh token.

        Ends the family of a token that was used before (RFC 9700, 4.14.2).
        """
        known = RefreshToken.objects.filter(token_checksum=refresh_token, application=client)
        token = known.select_related("application", "membership__user", "access_token").first()
        if token is None:
            return False
        # Before every other check, for the same reason as a used code.
        if token.revoked:
            tokens.end_family(
                family=token.token_family, application=client, why="refresh token used again"
            )
            return False
        if (
            not token.is_live(timezone.now())
            or not _is_active(token.membership)
            or token.access_token is None
        ):
            return False
        request.refresh_token_instance, request.user = token, token.user
        return True

    def get_original_scopes(self, refresh_token: str, request: Request, **more: Any) -> list[str]:
        """The scopes the user consented to, without those the application can no longer request."""
        consented = request.refresh_token_instance.access_token.scope.split()
        allowed = request.client.grantable
        return sorted(name for name in consented if registry.canonical(name) in allowed)

    def is_within_original_scope(
        self, request_scopes: list[str], refresh_token: str, request: Request, **more: Any
    ) -> bool:
        """Compare in any spelling. oauthlib asks after it has compared the texts."""
        original = self.get_original_scopes(refresh_token, request)
        return registry.canonical_all(request_scopes) <= registry.canonical_all(original)

    def save_bearer_token(
        self, token: dict[str, Any], request: Request, *args: Any, **more: Any
    ) -> None:
        # Scopes may have been removed from the application since the consent.
        if not request.scopes:
            raise errors.InvalidScopeError(request=request)
        minted = Minted(token["access_token"], token.get("refresh_token"), request.scopes)
        try:
            if request.grant_type == "client_credentials":
                tokens.issue(application=request.client, minted=minted)
            elif request.grant_type == "refresh_token":
                tokens.refresh(used=request.refresh_token_instance, minted=minted)
            else:
                tokens.redeem(grant=request.grant, minted=minted)
        except AlreadyUsed as error:
            raise errors.InvalidGrantError(request=request) from error

    def revoke_token(
        self, token: str, token_type_hint: str, request: Request, *args: Any, **more: Any
    ) -> None:
        tokens.revoke(application=request.client, stored=token, by=request.client.as_actor())


def _is_active(membership: Membership) -> bool:
    return not membership.deactivated_at and not membership.removed_at and membership.user.is_active
