"""`GET /api/v1/api-keys/{key_id}/usage`: usage statistics of a key."""

import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys.api.keys import ManagementView
from apikeys.api.serializers import UtcDateTimeField
from apikeys.stored_secret import SecretState
from apikeys.usage import statistics
from apikeys.usage.statistics import SecretUse, Statistics
from config.lib.openapi import problems
from config.lib.snapshot import one_snapshot


class FiguresSerializer(serializers.Serializer[Statistics]):
    total_requests = serializers.IntegerField(
        source="ever.requests", help_text="Since the key was issued."
    )
    requests_24h = serializers.IntegerField(
        source="day.requests", help_text="The current hour and the previous 23."
    )
    requests_7d = serializers.IntegerField(
        source="week.requests", help_text="Today and the previous six days, in UTC."
    )
    requests_30d = serializers.IntegerField(
        source="month.requests", help_text="Today and the previous 29 days, in UTC."
    )
    error_count = serializers.IntegerField(
        source="ever.error_count", help_text="Responses with status 400 or above, denials included."
    )
    error_rate = serializers.FloatField(
        source="ever.error_rate", help_text="Errors in percent of all requests."
    )


class EndpointSerializer(serializers.Serializer[Any]):
    endpoint = serializers.CharField(help_text="Method and route pattern.")
    count = serializers.IntegerField(source="requests")


class DaySerializer(serializers.Serializer[Any]):
    date = serializers.DateField(help_text="In UTC.")
    requests = serializers.IntegerField(source="figures.requests")
    error_count = serializers.IntegerField(source="figures.error_count")


class DenialSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField()
    count = serializers.IntegerField(source="requests")


class SecretSerializer(serializers.Serializer[SecretUse]):
    id = serializers.CharField(source="secret.public_id", help_text="`sec_…`")
    mask = serializers.CharField(source="secret.mask")
    state = serializers.SerializerMethodField(help_text="As in the key's `secrets`, or ended.")
    created_at = UtcDateTimeField(source="secret.created_at")
    activated_at = UtcDateTimeField(source="secret.activated_at", allow_null=True)
    lapses_at = UtcDateTimeField(source="secret.lapses_at", allow_null=True)
    retired_at = UtcDateTimeField(source="secret.retired_at", allow_null=True)
    total_requests = serializers.IntegerField(source="requests")
    requests_24h = serializers.IntegerField(source="last_24h")

    def get_state(self, use: SecretUse) -> SecretState:
        return use.secret.state(timezone.now())


class GapSerializer(serializers.Serializer[Any]):
    since = UtcDateTimeField()
    until = UtcDateTimeField()


class UsageSerializer(serializers.Serializer[Any]):
    key_id = serializers.CharField(source="key.public_id")
    key_name = serializers.CharField(source="key.name")
    usage = FiguresSerializer(source="statistics")
    last_used = UtcDateTimeField(
        source="key.last_used_at",
        allow_null=True,
        help_text="Accurate to about a minute. Denied requests do not count.",
    )
    top_endpoints = EndpointSerializer(
        source="statistics.endpoints", many=True, help_text="Most requests first, over all time."
    )
    daily_usage = DaySerializer(
        source="statistics.newest_days", many=True, help_text="The last 30 days, newest first."
    )
    denials = DenialSerializer(
        source="statistics.denials", many=True, help_text="Most frequent first, over all time."
    )
    secrets = SecretSerializer(source="statistics.secrets", many=True, help_text="Newest first.")
    incomplete = GapSerializer(
        source="statistics.incomplete",
        many=True,
        help_text="Periods in which some requests, of any key, were not recorded.",
    )


class UsageView(ManagementView):
    @extend_schema(
        operation_id="key_usage",
        summary="Show a key's usage",
        responses={200: UsageSerializer} | problems("not_key_owner", "not_found"),
        tags=["Keys"],
    )
    @one_snapshot()
    def get(self, request: Request, key_id: uuid.UUID) -> Response:
        key = self.caller.find(key_id)
        usage = UsageSerializer({"key": key, "statistics": statistics.of_key(key, timezone.now())})
        return Response(usage.data, headers={"Cache-Control": "no-store"})
