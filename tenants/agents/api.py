"""`GET /api/v1/agent/config` and `POST /api/v1/agent/heartbeat`."""

from datetime import UTC
from typing import Annotated, Any, cast

import msgspec
from django.utils import timezone
from django.utils.http import parse_etags
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from msgspec import Meta
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api.permissions import HasScope, IsAgentKey
from apikeys.verify.judge import Credential
from config.lib import bodies
from config.lib.bodies import JSON
from config.lib.client_ip import client_ip
from config.lib.examples import example
from config.lib.openapi import BODY, schema_of
from tenants.agents import services as agents
from tenants.agents.services import Presence
from tenants.models import AgentConfiguration


class Heartbeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An agent's report about itself. The limits match the columns."""

    host: Annotated[str, Meta(min_length=1, max_length=256)]
    version: Annotated[str, Meta(max_length=64)]
    configuration_version: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    queue_depth: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


class HeartbeatAnswerSerializer(serializers.Serializer[Any]):
    configuration_version = serializers.IntegerField(
        help_text="The current version. Fetch the configuration if it differs from the one applied."
    )
    heartbeat_interval_seconds = serializers.IntegerField()
    rotating_out = serializers.BooleanField(
        help_text="Whether this secret is being replaced. If true, switch to the new one soon."
    )
    rotating_out_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When this secret stops working. Null until the new one was used.",
    )


class AgentConfigurationSerializer(serializers.ModelSerializer[AgentConfiguration]):
    actions = serializers.ListField(
        child=serializers.CharField(), help_text="Action ids to collect. Empty collects all."
    )
    include_objects = serializers.ListField(
        child=serializers.CharField(),
        help_text="Patterns of `database.schema.object` to collect. Empty includes all.",
    )
    exclude_objects = serializers.ListField(
        child=serializers.CharField(),
        help_text="Patterns of `database.schema.object` to leave out. Takes precedence.",
    )

    class Meta:
        model = AgentConfiguration
        fields = (
            "version",
            "heartbeat_interval_seconds",
            "batch_size",
            "actions",
            "include_objects",
            "exclude_objects",
        )


class AgentHeartbeatView(APIView):
    permission_classes = [IsAgentKey, HasScope("write:agent-heartbeat")]

    @extend_schema(
        operation_id="send_heartbeat",
        summary="Send a heartbeat",
        description="The first heartbeat from a host registers its agent.",
        tags=["Agent"],
        request={JSON: schema_of(Heartbeat)},
        responses={200: HeartbeatAnswerSerializer} | BODY,
    )
    def post(self, request: Request) -> Response:
        heartbeat = bodies.read(request, Heartbeat)
        presence = _presence(request)
        agents.heartbeat(presence, **msgspec.structs.asdict(heartbeat))
        configuration = agents.configuration_in_force(presence.organization_id)
        credential = cast("Credential", request.auth)
        ends_at = credential.retires_at
        return Response(
            {
                "configuration_version": configuration.version,
                "heartbeat_interval_seconds": configuration.heartbeat_interval_seconds,
                "rotating_out": credential.is_rotating_out,
                "rotating_out_at": ends_at.astimezone(UTC) if ends_at else None,
            },
            headers={"Cache-Control": "no-store"},
        )


class AgentConfigurationView(APIView):
    permission_classes = [IsAgentKey, HasScope("read:agent-config")]

    @extend_schema(
        operation_id="get_agent_configuration",
        summary="Fetch the current configuration",
        description=(
            "`ETag` is the version in quotes. Send it back as `If-None-Match` to get 304 if the "
            "configuration has not changed."
        ),
        tags=["Agent"],
        parameters=[OpenApiParameter("If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER)],
        responses={
            200: AgentConfigurationSerializer,
            304: OpenApiResponse(description="The configuration has not changed."),
        },
    )
    def get(self, request: Request) -> Response:
        configuration = agents.configuration_in_force(
            cast("Credential", request.auth).organization.id
        )
        etag = f'"{configuration.version}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
        if _names(request.META.get("HTTP_IF_NONE_MATCH", ""), etag):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers=headers)
        return Response(AgentConfigurationSerializer(configuration).data, headers=headers)


def _presence(request: Request) -> Presence:
    credential = cast("Credential", request.auth)
    by = credential.actor(client_ip(request.META))
    return Presence(
        credential.organization.id,
        credential.environment,
        credential.key_id,
        timezone.now(),
        by,
        credential.secret_id,
    )


def _names(header: str, etag: str) -> bool:
    """Return whether `If-None-Match` names this tag, as RFC 9110, 13.1.2 compares: weakly.

    `*` matches every version.
    """
    named = parse_etags(header)
    return "*" in named or etag in {tag.removeprefix("W/") for tag in named}


example(
    "send_heartbeat",
    request={
        JSON: {
            "host": "sql-prod-01",
            "version": "1.4.0",
            "configuration_version": 3,
            "queue_depth": 0,
        }
    },
    answer={
        JSON: {
            "configuration_version": 3,
            "heartbeat_interval_seconds": 60,
            "rotating_out": False,
            "rotating_out_at": None,
        }
    },
)
example(
    "get_agent_configuration",
    answer={
        JSON: {
            "version": 3,
            "heartbeat_interval_seconds": 60,
            "batch_size": 500,
            "actions": ["SL", "UP"],
            "include_objects": ["sales.*.*"],
            "exclude_objects": [],
        }
    },
)
