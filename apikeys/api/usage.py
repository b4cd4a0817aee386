"""`GET /api/v1/api-keys/{key_id}/usage`: what a key was used for."""

import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys.api.keys import ManagementView
from apikeys.api.serializers import MomentField
from apikeys.usage import statistics
from apikeys.usage.statistics import Statistics
from config.lib.openapi import problems
from config.lib.snapshot import one_snapshot


class FiguresSerializer(serializers.Serializer[Statistics]):
    total_requests = serializers.IntegerField(source="ever.requests", help_text="Of all time.")
    requests_24h = serializers.IntegerField(
        source="day.requests", help_text="The current hour and the 23 before it."
    )
    requests_7d = serializers.IntegerField(
        source="week.requests", help_text="Today and the six days before, in UTC."
    )
    requests_30d = serializers.IntegerField(
        source="month.requests", help_text="Today and the 29 days before, in UTC."
    )
    error_count = serializers.IntegerField(
        source="ever.error_count", help_text="Answers of 400 and above, denials included."
    )
    error_rate = serializers.FloatField(
        source="ever.error_rate", help_text="Percent of all requests."
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


class SecretSerializer(serializers.Serializer[Any]):
    mask = serializers.CharField(source="secret.mask")
    created_at = MomentField(source="secret.created_at")
    retired_at = MomentField(source="secret.retired_at", allow_null=True)
    total_requests = serializers.IntegerField(source="requests")
    requests_24h = serializers.IntegerField(source="last_24h")


class GapSerializer(serializers.Serializer[Any]):
    since = MomentField()
    until = MomentField()


class UsageSerializer(serializers.Serializer[Any]):
    key_id = serializers.CharField(source="key.public_id")
    key_name = serializers.CharField(source="key.name")
    usage = FiguresSerializer(source="statistics")
    last_used = MomentField(
        source="key.last_used_at",
        allow_null=True,
        help_text="To about a minute. Denials are no use.",
    )
    top_endpoints = EndpointSerializer(
        source="statistics.endpoints", many=True, help_text="Most requests of all time first."
    )
    daily_usage = DaySerializer(
        source="statistics.newest_days", many=True, help_text="The last 30 days, newest first."
    )
    denials = DenialSerializer(
        source="statistics.denials", many=True, help_text="Of all time, most frequent first."
    )
    secrets = SecretSerializer(source="statistics.secrets", many=True, help_text="Newest first.")
    incomplete = GapSerializer(
        source="statistics.incomplete",
        many=True,
        help_text="When requests went unrecorded, with whichever key.",
    )


class UsageView(ManagementView):
    @extend_schema(
        operation_id="key_usage",
        summary="What a key was used for",
        responses={200: UsageSerializer} | problems("not_key_owner", "not_found"),
        tags=["Keys"],
    )
    @one_snapshot()
    def get(self, request: Request, key_id: uuid.UUID) -> Response:
        key = self.caller.find(key_id)
        told = UsageSerializer({"key": key, "statistics": statistics.of_key(key, timezone.now())})
        return Response(told.data, headers={"Cache-Control": "no-store"})
