"""`GET /api/v1/whoami`: describe the presented credential."""

from datetime import UTC, datetime
from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.kind import Kind
from apikeys.verify.judge import Credential, Subject
from apikeys.verify.throttling import standings
from config.lib.environment import Environment
from config.lib.ids import encode
from config.lib.limits.rules import Standing


class OrganizationSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="`org_…`")
    name = serializers.CharField()
    slug = serializers.CharField()


class OwnerSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="`usr_…`")
    email = serializers.EmailField()


class LimitSerializer(serializers.Serializer[Any]):
    limit = serializers.CharField(help_text="`key`, `application`, `user` or `organization`.")
    quota = serializers.IntegerField(help_text="Maximum requests in any `window_seconds`.")
    window_seconds = serializers.IntegerField()
    remaining = serializers.IntegerField(help_text="Requests left after this one.")
    resets_in_seconds = serializers.IntegerField(help_text="Seconds until `remaining` increases.")


class WhoamiSerializer(serializers.Serializer[Any]):
    """Describe the response in the API reference.

    Does not render it, because a serializer copies all its fields for every request.
    """

    key_id = serializers.CharField(
        allow_null=True, help_text="`key_…`. A rotation does not change it. Null for a token."
    )
    application_id = serializers.CharField(
        allow_null=True,
        help_text="`app_…` of the token's application. Null for a key and for a user token.",
    )
    name = serializers.CharField(
        help_text="The key's label, the application's name, or the email address of the user."
    )
    kind = serializers.ChoiceField(choices=Kind.choices)
    environment = serializers.ChoiceField(choices=Environment.choices)
    organization = OrganizationSerializer()
    owner = OwnerSerializer(
        allow_null=True,
        help_text="The user of a user token. Null for agent keys and organization keys.",
    )
    scopes = serializers.ListField(child=serializers.CharField())
    expires_at = serializers.DateTimeField(allow_null=True)
    rotating_out_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When the presented secret stops working, if a rotation replaced it.",
    )
    limits = LimitSerializer(many=True, help_text="The standing under each active limit.")


class WhoamiView(APIView):
    @extend_schema(
        operation_id="whoami",
        summary="Show the current key or token",
        responses=WhoamiSerializer,
        tags=["Credential"],
    )
    def get(self, request: Request) -> Response:
        whoami = _describe(cast("Credential", request.auth)) | {
            "limits": [_to_json(standing) for standing in standings(request.META)]
        }
        return Response(whoami, headers={"Cache-Control": "no-store"})


def _describe(credential: Credential) -> dict[str, Any]:
    organization = credential.organization
    return {
        "key_id": _id_as(Subject.KEY, credential),
        "application_id": _id_as(Subject.APPLICATION, credential),
        "name": credential.name,
        "kind": credential.kind,
        "environment": credential.environment,
        "organization": {
            "id": organization.public_id,
            "name": organization.name,
            "slug": organization.slug,
        },
        "owner": {"id": encode("usr", credential.owner_id), "email": credential.owner_email}
        if credential.owner_id
        else None,
        "scopes": sorted(credential.scopes),
        "expires_at": _utc(credential.expires_at),
        "rotating_out_at": _utc(credential.retires_at),
    }


def _id_as(subject: Subject, credential: Credential) -> str | None:
    return credential.public_id if credential.subject is subject else None


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None


def _to_json(standing: Standing) -> dict[str, Any]:
    rule, remaining, seconds = standing
    return {
        "limit": rule.name,
        "quota": rule.quota,
        "window_seconds": rule.seconds,
        "remaining": remaining,
        "resets_in_seconds": seconds,
    }
