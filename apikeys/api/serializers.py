"""How the management API tells of keys, and the query string of its list."""

import uuid
from datetime import UTC
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from apikeys.kind import Kind
from apikeys.models import Key, Status
from apikeys.services.callers import Caller
from apikeys.services.search import KeyFilter
from config.lib.environment import Environment
from config.lib.ids import decode

DEFAULT_LIMIT, MAX_LIMIT = 50, 100


class MomentField(serializers.DateTimeField):
    """RFC 3339 in UTC."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)


class KeyOwnerSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="user.public_id", help_text="`usr_…`")
    email = serializers.EmailField(source="user.email")


class KeySerializer(serializers.Serializer[Key]):
    """A key. Its secret is in the answers to create and rotate only."""

    id = serializers.CharField(source="public_id", help_text="`key_…`")
    name = serializers.CharField()
    description = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    environment = serializers.ChoiceField(choices=Environment.choices)
    organization_id = serializers.CharField(source="organization.public_id", help_text="`org_…`")
    owner = KeyOwnerSerializer(allow_null=True, help_text="Null for agent keys.")
    scopes = serializers.SerializerMethodField(
        help_text="As granted. At verification the owner's role may hold less."
    )
    allowed_cidrs = serializers.ListField(
        child=serializers.CharField(), help_text="Empty: from anywhere."
    )
    status = serializers.SerializerMethodField()
    mask = serializers.CharField(help_text="How to recognize its secret.")
    created_at = MomentField()
    expires_at = MomentField(allow_null=True, help_text="Null: never.")
    last_used_at = MomentField(allow_null=True, help_text="To about a minute.")
    last_used_ip = serializers.CharField(allow_null=True)
    rotated_at = MomentField(allow_null=True)
    paused_at = MomentField(allow_null=True)
    revoked_at = MomentField(allow_null=True)
    revoke_reason = serializers.CharField()

    def get_scopes(self, key: Key) -> list[str]:
        return sorted(key.granted_scopes)

    def get_status(self, key: Key) -> Status:
        return key.status(timezone.now())


class IssuedKeySerializer(KeySerializer):
    key = serializers.CharField(
        required=False,
        help_text="The secret: here and never again. Absent where it was shown before.",
    )
    secret_shown = serializers.BooleanField(
        required=False, help_text="True: this is a replay, the secret was told before."
    )


class EditedKeySerializer(KeySerializer):
    effective_at = MomentField(
        help_text="From then on nothing that was taken away is accepted anywhere."
    )


class RotatedKeySerializer(KeySerializer):
    key = serializers.CharField(help_text="The new secret: here and never again.")
    effective_at = MomentField(help_text="From then on the old secret is refused everywhere.")
    old_key_expires_at = MomentField(help_text="The end of the overlap.")


class RevokedKeySerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    revoked_at = MomentField()
    effective_at = MomentField(help_text="No request that starts from then on is accepted.")


class KeyPageSerializer(serializers.Serializer[Any]):
    data = KeySerializer(many=True)  # type: ignore[assignment]  # a field of that name, which hides the property
    total = serializers.IntegerField(help_text="On all pages.")
    next_cursor = serializers.CharField(
        allow_null=True, help_text="Leads to older keys; null on the last page."
    )


class KeyQuery(serializers.Serializer[Any]):
    """The filter, and which page of what it finds."""

    status = serializers.ChoiceField(
        choices=Status.choices, default="", help_text="Keys in this state."
    )
    kind = serializers.ChoiceField(choices=Kind.choices, default="")
    environment = serializers.ChoiceField(choices=Environment.choices, default="")
    organization_id = serializers.CharField(default="", max_length=64, help_text="`org_…`")
    owner = serializers.CharField(default="", max_length=64, help_text="`usr_…`, or `me`.")
    q = serializers.CharField(
        default="", max_length=255, trim_whitespace=False, help_text="Text in the name."
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT, help_text="Keys on a page."
    )
    cursor = serializers.CharField(
        default="", max_length=256, help_text="`next_cursor` of the page before."
    )

    def wanted_by(self, caller: Caller) -> KeyFilter:
        data = self.validated_data
        return KeyFilter(
            status=Status(data["status"]) if data["status"] else None,
            kind=data["kind"],
            environment=data["environment"],
            organization=read_id("org", data["organization_id"]),
            owner=caller.user.pk if data["owner"] == "me" else read_id("usr", data["owner"]),
            q=data["q"],
        )


def read_id(prefix: str, text: str) -> uuid.UUID | None:
    """None for nothing; the nil UUID, which nothing has, for what spells no id."""
    try:
        return decode(prefix, text) if text else None
    except ValueError:
        return uuid.UUID(int=0)
