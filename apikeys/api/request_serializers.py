"""Serializers of requests for keys, and the query string of their list."""

import uuid
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from apikeys.api.serializers import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    KeyOwnerSerializer,
    UtcDateTimeField,
    read_id,
)
from apikeys.kind import Kind
from apikeys.models import KeyRequest
from apikeys.rules.approval import RequestStatus
from config.lib.environment import Environment
from tenants.models import User


class PersonSerializer(serializers.Serializer[User]):
    id = serializers.CharField(source="public_id", help_text="`usr_…`")
    email = serializers.EmailField()


class KeyRequestSerializer(serializers.Serializer[KeyRequest]):
    """A key that waits for approval. It has no secret before its requester collects it."""

    id = serializers.CharField(source="public_id", help_text="`req_…`")
    status = serializers.SerializerMethodField()
    name = serializers.CharField()
    description = serializers.CharField()
    held_by = serializers.CharField()
    kind = serializers.SerializerMethodField()
    environment = serializers.ChoiceField(choices=Environment.choices)
    organization_id = serializers.CharField(source="organization.public_id", help_text="`org_…`")
    owner = KeyOwnerSerializer(allow_null=True, help_text="Null for a key of the organization.")
    scopes = serializers.ListField(child=serializers.CharField())
    allowed_cidrs = serializers.ListField(
        child=serializers.CharField(), help_text="Empty allows any network."
    )
    expires_at = UtcDateTimeField(allow_null=True, help_text="Null if the key never expires.")
    requested_by = PersonSerializer(source="requester", help_text="Only this person can collect.")
    requested_at = UtcDateTimeField(source="created_at")
    lapses_at = UtcDateTimeField(
        help_text="When the request lapses, unless it is answered and collected before."
    )
    answered_by = PersonSerializer(allow_null=True)
    answered_at = UtcDateTimeField(allow_null=True)
    reason = serializers.CharField(help_text="Why it was refused.")
    collected_at = UtcDateTimeField(allow_null=True)
    key_id = serializers.SerializerMethodField(help_text="The key, once it is collected.")

    def get_status(self, request: KeyRequest) -> RequestStatus:
        return request.status(timezone.now())

    def get_kind(self, request: KeyRequest) -> Kind:
        return Kind.PUBLIC

    def get_key_id(self, request: KeyRequest) -> str | None:
        return request.key.public_id if request.key else None


class KeyRequestPageSerializer(serializers.Serializer[Any]):
    data = KeyRequestSerializer(many=True)  # type: ignore[assignment]  # hides the property
    next_cursor = serializers.CharField(
        allow_null=True,
        help_text="Cursor of the next page, with older requests. Null on the last page.",
    )


class KeyRequestQuery(serializers.Serializer[Any]):
    """Filters, page size and cursor of the list."""

    status = serializers.ChoiceField(choices=RequestStatus.choices, default="")
    organization_id = serializers.CharField(default="", max_length=64, help_text="`org_…`")
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT, help_text="Requests per page."
    )
    cursor = serializers.CharField(
        default="", max_length=64, help_text="`next_cursor` of the previous page."
    )

    def conditions(self) -> dict[str, Any]:
        """Return the filter of the queryset, without the status."""
        data = self.validated_data
        wanted: dict[str, uuid.UUID | None] = {
            "organization": read_id("org", data["organization_id"]),
            "pk__lt": read_id("req", data["cursor"]),
        }
        return {column: value for column, value in wanted.items() if value}

    def status_wanted(self) -> RequestStatus | None:
        text = self.validated_data["status"]
        return RequestStatus(text) if text else None
