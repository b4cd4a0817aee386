"""The REST API for user tokens: `/api/v1/auth/…` and `/.well-known/jwks.json`."""

from datetime import UTC
from typing import Annotated, cast

import msgspec
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from msgspec import Meta
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.lib import bodies
from config.lib.bodies import JSON
from config.lib.client_ip import client_ip
from config.lib.openapi import BODY, problems, schema_of
from config.lib.problems import ApiProblem
from config.lib.renderers import JsonRenderer
from config.lib.text import printable
from tenants import conf
from tenants.models import Membership
from tenants.sign_in import limits
from tenants.sign_in.authentication import IsSignedInByToken, UserTokenAuthentication
from tenants.sign_in.password import prove
from tenants.sign_in.serializers import TOKENS, MeSerializer, TokenPairSerializer
from tenants.sign_in.tokens import services
from tenants.sign_in.tokens.models import USER_AGENT_LENGTH
from tenants.sign_in.tokens.services import ACCESS_LIFETIME, Origin, TokenPair, UserToken

_MOST_BYTES = 16 * 1024
_NEVER_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# How long verifiers may cache the set. One that meets an unknown `kid` fetches it again at once.
_JWKS_SECONDS = 300

_TokenText = Annotated[str, Meta(min_length=1, max_length=8192)]


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Annotated[str, Meta(min_length=1, max_length=254)]
    password: Annotated[str, Meta(min_length=1, max_length=4096)]
    code: Annotated[str, Meta(min_length=1, max_length=64)] | None = None

    def __repr__(self) -> str:
        return "Login(…)"


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: _TokenText

    def __repr__(self) -> str:
        return "Refresh(…)"


class Logout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: _TokenText | None = None

    def __repr__(self) -> str:
        return "Logout(…)"


class LoginView(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="login",
        summary="Sign in with email address and password",
        description=(
            "If the user has a second factor, the response is `mfa_required`. Send the same "
            "request again with `code`."
        ),
        tags=["User tokens"],
        request={JSON: schema_of(Login)},
        responses={200: TokenPairSerializer}
        | problems("invalid_login", "mfa_required", "rate_limited")
        | BODY,
        examples=[
            TOKENS,
            OpenApiExample(
                "Sign-in",
                {"email": "user@example.com", "password": "your_password"},
                request_only=True,
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        login = bodies.read(request, Login, limit=_MOST_BYTES)
        # allauth needs Django's own request, not the REST framework's wrapper.
        user = prove(request._request, email=login.email, password=login.password, code=login.code)  # noqa: SLF001
        origin = Origin(
            client_ip(request.META),
            printable(request.META.get("HTTP_USER_AGENT", ""), USER_AGENT_LENGTH),
        )
        return _token_response(services.sign_in(user=user, origin=origin, at=timezone.now()))


class RefreshView(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="refresh_tokens",
        summary="Exchange a refresh token for new tokens",
        description=(
            "A refresh token works once. Presenting it again later revokes the whole sign-in, "
            "because it may have been stolen."
        ),
        tags=["User tokens"],
        request={JSON: schema_of(Refresh)},
        responses={200: TokenPairSerializer}
        | problems("invalid_token", "expired_token", "refresh_reused", "rate_limited")
        | BODY,
        examples=[
            TOKENS,
            OpenApiExample(
                "Refresh", {"refresh_token": "eyJhbGciOiJSUzI1NiIs…"}, request_only=True
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        presented = bodies.read(request, Refresh, limit=_MOST_BYTES).refresh_token
        address, spend = client_ip(request.META), limits.spend_refresh
        return _token_response(
            services.refresh(presented, at=timezone.now(), address=address, spend=spend)
        )


class LogoutView(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="logout",
        summary="Sign out and revoke all tokens of the sign-in",
        description=(
            "Ends the sign-in of `refresh_token`, used or not. Without one, ends the sign-in of "
            "the access token presented."
        ),
        tags=["User tokens"],
        auth=[{"UserToken": []}, {}],  # type: ignore[list-item]  # typed too narrowly
        request={JSON: schema_of(Logout)},
        responses={204: OpenApiResponse(description="Signed out.")}
        | problems("missing_token", "invalid_token", "expired_token")
        | BODY,
        examples=[
            OpenApiExample(
                "Sign out", {"refresh_token": "eyJhbGciOiJSUzI1NiIs…"}, request_only=True
            )
        ],
    )
    def post(self, request: Request) -> Response:
        presented = (
            bodies.read(request, Logout, limit=_MOST_BYTES).refresh_token
            if bodies.has_body(request.META)
            else None
        )
        if presented is not None:
            services.sign_out(presented, at=timezone.now())
        elif found := UserTokenAuthentication().authenticate(request):
            services.end_family(found[1].family_id, at=timezone.now())
        else:
            raise ApiProblem("missing_token")
        return Response(status=status.HTTP_204_NO_CONTENT, headers=_NEVER_STORED)


class MeView(APIView):
    authentication_classes = [UserTokenAuthentication]
    permission_classes = [IsSignedInByToken]

    @extend_schema(
        operation_id="me",
        summary="Get the signed-in user",
        tags=["User tokens"],
        responses={200: MeSerializer}
        | problems("missing_token", "invalid_token", "expired_token", "several_credentials"),
    )
    def get(self, request: Request) -> Response:
        token = cast("UserToken", request.auth)
        memberships = (
            Membership.objects.active().filter(user=token.user).select_related("organization")
        )
        places = [
            {
                "id": m.organization.public_id,
                "name": m.organization.name,
                "slug": m.organization.slug,
                "role": m.role,
            }
            for m in memberships.order_by("organization__name", "organization__slug")
        ]
        me = {
            "id": token.user.public_id,
            "email": token.user.email,
            "name": token.user.name,
            "is_staff": token.user.is_staff,
        }
        expiry = {"token_expires_at": token.expires_at.astimezone(UTC)}
        return Response(
            me | {"organizations": places} | expiry, headers={"Cache-Control": "no-store"}
        )


class JwkSetRenderer(JsonRenderer):
    media_type = "application/jwk-set+json"


class JwksView(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]
    renderer_classes = [JsonRenderer, JwkSetRenderer]

    @extend_schema(
        operation_id="jwks",
        summary="Get the public keys that verify user tokens",
        description=(
            "A JWK Set (RFC 7517). A token's `kid` names its key. A valid signature does not mean "
            "that the token has not been revoked; only Keyway knows that."
        ),
        tags=["User tokens"],
        responses={
            200: {
                "type": "object",
                "required": ["keys"],
                "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
            }
        },
    )
    def get(self, request: Request) -> Response:
        keys = [key.as_jwk() for key in conf.signing_keys()]
        return Response(
            {"keys": keys}, headers={"Cache-Control": f"public, max-age={_JWKS_SECONDS}"}
        )


def _token_response(pair: TokenPair) -> Response:
    tokens = {"access_token": pair.access, "refresh_token": pair.refresh}
    return Response(
        tokens | {"expires_in": int(ACCESS_LIFETIME.total_seconds()), "token_type": "Bearer"},
        headers=_NEVER_STORED,
    )
