"""The bodies of ASCEND's guide. Each has the fields that the guide shows, and no others."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from rest_framework import serializers

from apikeys.api.bodies import Days, Description, Name
from apikeys.api.serializers import UtcDateTimeField
from apikeys.api.usage import EndpointSerializer, FiguresSerializer
from apikeys.models import Key, Status
from apikeys.services import Issued

# The guide's list has no pages. More keys than this are counted in `total` and not listed.
MOST_LISTED = 10_000
# The guide knows no other word for a key that works but soon ends.
_STATUSES = {Status.EXPIRING: Status.ACTIVE}


class Generate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`null` days never expire. The default is 90."""

    name: Name
    description: Description = ""
    expires_in_days: Days | UnsetType | None = UNSET


class GeneratedSerializer(serializers.Serializer[Any]):
    """Describe what `shown` returns."""

    api_key = serializers.CharField(help_text="The secret. It is shown only once.")
    key_id = serializers.CharField(help_text="`key_…`")
    name = serializers.CharField()
    description = serializers.CharField()
    expires_at = UtcDateTimeField(allow_null=True, help_text="Null if the key never expires.")
    message = serializers.CharField()


def shown(issued: Issued) -> dict[str, Any]:
    key = issued.key
    return {
        "api_key": issued.plaintext.reveal(),
        "key_id": key.public_id,
        "name": key.name,
        "description": key.description,
        "expires_at": _utc(key.expires_at),
        "message": "Store this key securely. It will not be shown again.",
    }


class ListedKeySerializer(serializers.Serializer[Any]):
    """Describe what `listed` returns."""

    id = serializers.CharField(help_text="`key_…`")
    name = serializers.CharField()
    key_prefix = serializers.CharField(help_text="Start and end of the secret.")
    description = serializers.CharField()
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField(allow_null=True, help_text="Null if the key never expires.")
    last_used_at = UtcDateTimeField(allow_null=True, help_text="Accurate to about a minute.")
    status = serializers.ChoiceField(
        choices=[status.value for status in Status if status not in _STATUSES],
        help_text="`inactive` if the key's owner is not an active member.",
    )
    total_requests = serializers.IntegerField(help_text="Since the key was issued.")


def listed(key: Key, total_requests: int, at: datetime) -> dict[str, Any]:
    # By hand: a serializer copies its fields for each of up to 10,000 keys.
    status = key.status(at)
    return {
        "id": key.public_id,
        "name": key.name,
        "key_prefix": key.mask.replace("…", "..."),
        "description": key.description,
        "created_at": _utc(key.created_at),
        "expires_at": _utc(key.expires_at),
        "last_used_at": _utc(key.last_used_at),
        "status": _STATUSES.get(status, status),
        "total_requests": total_requests,
    }


class KeyListSerializer(serializers.Serializer[Any]):
    keys = ListedKeySerializer(many=True, help_text=f"The newest {MOST_LISTED:,}.")
    total = serializers.IntegerField(help_text="Number of keys, listed or not.")


class AscendDaySerializer(serializers.Serializer[Any]):
    date = serializers.DateField(help_text="In UTC.")
    requests = serializers.IntegerField(source="figures.requests")


class AscendUsageSerializer(serializers.Serializer[Any]):
    key_id = serializers.CharField(source="key.public_id")
    key_name = serializers.CharField(source="key.name")
    usage = FiguresSerializer(source="statistics")
    last_used = UtcDateTimeField(
        source="key.last_used_at", allow_null=True, help_text="Accurate to about a minute."
    )
    top_endpoints = EndpointSerializer(
        source="statistics.endpoints", many=True, help_text="Most requests first, over all time."
    )
    daily_usage = AscendDaySerializer(
        source="statistics.newest_days", many=True, help_text="The last 30 days, newest first."
    )


class RevokedSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    message = serializers.CharField()
    key_id = serializers.CharField()
    revoked_at = UtcDateTimeField()


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
