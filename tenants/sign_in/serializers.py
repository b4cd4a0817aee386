"""Describe the answers of the API for user tokens, with their examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from config.lib.bodies import JSON
from config.lib.examples import ORGANIZATION, OWNER, example
from tenants.roles import Role


class TokenPairSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField(help_text="Present it as `Authorization: Bearer …`.")
    refresh_token = serializers.CharField(
        help_text="Exchange it once for new tokens. Keep it secret."
    )
    expires_in = serializers.IntegerField(help_text="Seconds until the access token expires.")
    token_type = serializers.ChoiceField(choices=["Bearer"])


class PlaceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="`org_…`")
    name = serializers.CharField()
    slug = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.choices)


class MeSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="`usr_…`")
    email = serializers.EmailField()
    name = serializers.CharField()
    is_staff = serializers.BooleanField(help_text="Platform staff.")
    organizations = PlaceSerializer(
        many=True, help_text="Organizations where the user is an active member."
    )
    token_expires_at = serializers.DateTimeField()


TOKENS = OpenApiExample(
    "Tokens",
    {
        "access_token": "eyJhbGciOiJSUzI1NiIs…",
        "refresh_token": "eyJhbGciOiJSUzI1NiIs…",
        "expires_in": 3600,
        "token_type": "Bearer",
    },
    response_only=True,
)
_KEYS = {
    "keys": [
        {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": "q3Zc…",
            "n": "0vx7agoebGcQ…",
            "e": "AQAB",
        }
    ],
}

example(
    "me",
    answer={
        JSON: {
            **OWNER,
            "name": "Alice",
            "is_staff": False,
            "organizations": [{**ORGANIZATION, "role": "admin"}],
            "token_expires_at": "2026-01-15T11:00:00Z",
        }
    },
)
example("jwks", answer={JSON: _KEYS, "application/jwk-set+json": _KEYS})
