"""Serializers of the management API's responses, and the query string of its list."""

import uuid
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apikeys.kind import Kind
from apikeys.models import Key, Status
from apikeys.services.callers import Caller
from apikeys.services.hosts import HostProgress, host_progress
from apikeys.services.search import KeyFilter
from apikeys.stored_secret import Secret, SecretState
from config.lib.environment import Environment
from config.lib.ids import decode

DEFAULT_LIMIT, MAX_LIMIT = 50, 100
MOST_HOSTS = 100


class UtcDateTimeField(serializers.DateTimeField):
    """Format times as RFC 3339 in UTC."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)


class KeyOwnerSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="user.public_id", help_text="`usr_…`")
    email = serializers.EmailField(source="user.email")


class KeySecretSerializer(serializers.Serializer[Any]):
    """One of a key's secrets, without the secret itself."""

    id = serializers.CharField(source="public_id", help_text="`sec_…`")
    mask = serializers.CharField(help_text="Start and end of the secret, to recognize it.")
    state = serializers.SerializerMethodField(
        help_text="A `pending` secret waits for its first use, a `retiring` one has an end."
    )
    created_at = UtcDateTimeField()
    activated_at = UtcDateTimeField(
        allow_null=True, help_text="First use of a secret that was pending."
    )
    expires_at = UtcDateTimeField(
        source="retired_at", allow_null=True, help_text="When it stops working. Null if unknown."
    )
    lapses_at = UtcDateTimeField(
        allow_null=True, help_text="When it ends if it is not used before then."
    )

    def get_state(self, secret: Secret) -> SecretState:
        return secret.state(timezone.now())


class HostProgressSerializer(serializers.Serializer[Any]):
    """The hosts of an agent key during a rotation. Lists at most 100 of each."""

    moved_count = serializers.SerializerMethodField()
    remaining_count = serializers.SerializerMethodField()
    moved = serializers.SerializerMethodField(help_text="Hosts that last used the new secret.")
    remaining = serializers.SerializerMethodField(
        help_text="Hosts that have not used the new secret."
    )

    def get_moved_count(self, progress: HostProgress) -> int:
        return len(progress.moved)

    def get_remaining_count(self, progress: HostProgress) -> int:
        return len(progress.remaining)

    def get_moved(self, progress: HostProgress) -> list[str]:
        return list(progress.moved[:MOST_HOSTS])

    def get_remaining(self, progress: HostProgress) -> list[str]:
        return list(progress.remaining[:MOST_HOSTS])


class KeySerializer(serializers.Serializer[Key]):
    """A key. Only the responses to create and rotate contain its secret."""

    id = serializers.CharField(source="public_id", help_text="`key_…`")
    name = serializers.CharField()
    description = serializers.CharField()
    held_by = serializers.CharField(help_text="The team, system or place where it is stored.")
    kind = serializers.ChoiceField(choices=Kind.choices)
    environment = serializers.ChoiceField(choices=Environment.choices)
    organization_id = serializers.CharField(source="organization.public_id", help_text="`org_…`")
    owner = KeyOwnerSerializer(
        allow_null=True, help_text="Null for agent keys and organization keys."
    )
    scopes = serializers.SerializerMethodField(
        help_text=(
            "As granted, in the spelling asked for. "
            "The owner's role may allow fewer at verification."
        )
    )
    allowed_cidrs = serializers.ListField(
        child=serializers.CharField(), help_text="Empty allows any network."
    )
    status = serializers.SerializerMethodField()
    mask = serializers.CharField(help_text="Start and end of the secret, to recognize it.")
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField(allow_null=True, help_text="Null if the key never expires.")
    last_used_at = UtcDateTimeField(allow_null=True, help_text="Accurate to about a minute.")
    last_used_ip = serializers.CharField(allow_null=True)
    rotated_at = UtcDateTimeField(allow_null=True)
    secrets = serializers.SerializerMethodField(
        help_text="The secrets that work, newest first. Two while a rotation is in progress."
    )
    old_key_expires_at = serializers.SerializerMethodField(
        help_text="When the secret that is being rotated out stops working, if that is known."
    )
    paused_at = UtcDateTimeField(allow_null=True)
    revoked_at = UtcDateTimeField(allow_null=True)
    revoke_reason = serializers.CharField()

    def get_scopes(self, key: Key) -> list[str]:
        return key.scopes_as_asked

    def get_status(self, key: Key) -> Status:
        return key.status(timezone.now())

    @extend_schema_field(KeySecretSerializer(many=True))
    def get_secrets(self, key: Key) -> Any:
        return KeySecretSerializer(key.usable_secrets(timezone.now()), many=True).data

    def get_old_key_expires_at(self, key: Key) -> datetime | None:
        end = key.old_secret_ends_at(timezone.now())
        return end.astimezone(UTC) if end else None


class ShownKeySerializer(KeySerializer):
    hosts = serializers.SerializerMethodField(
        help_text="For an agent key while a rotation is in progress, else null."
    )

    @extend_schema_field(HostProgressSerializer(allow_null=True))
    def get_hosts(self, key: Key) -> Any:
        progress = host_progress(key, timezone.now())
        return HostProgressSerializer(progress).data if progress else None


class IssuedKeySerializer(KeySerializer):
    key = serializers.CharField(
        required=False,
        help_text="The secret. It is shown only once and is absent from a replay.",
    )
    secret_shown = serializers.BooleanField(
        required=False, help_text="True for a replay, whose secret was shown before."
    )


class EditedKeySerializer(KeySerializer):
    effective_at = UtcDateTimeField(help_text="When the removed access has ended in every process.")


class RotatedKeySerializer(KeySerializer):
    key = serializers.CharField(help_text="The new secret. It is shown only once.")
    effective_at = UtcDateTimeField(
        allow_null=True, help_text="When every process rejects the old secret. Null with a grace."
    )
    old_key_expires_at = UtcDateTimeField(  # type: ignore[assignment]  # known to the rotation
        allow_null=True, help_text="When the old secret stops working. Null with a grace."
    )
    lapses_at = UtcDateTimeField(
        allow_null=True,
        help_text="When the new secret ends if it is not used before then. Null without a grace.",
    )


class RevokedKeySerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    revoked_at = UtcDateTimeField()
    effective_at = UtcDateTimeField(
        help_text="No request that starts at or after this time is accepted."
    )


class KeyPageSerializer(serializers.Serializer[Any]):
    data = KeySerializer(many=True)  # type: ignore[assignment]  # hides the property
    total = serializers.IntegerField(help_text="Number of keys on all pages.")
    next_cursor = serializers.CharField(
        allow_null=True,
        help_text="Cursor of the next page, with older keys. Null on the last page.",
    )


class KeyQuery(serializers.Serializer[Any]):
    """Filters, page size and cursor of the list."""

    status = serializers.ChoiceField(
        choices=Status.choices, default="", help_text="Only keys with this status."
    )
    kind = serializers.ChoiceField(choices=Kind.choices, default="")
    environment = serializers.ChoiceField(choices=Environment.choices, default="")
    organization_id = serializers.CharField(default="", max_length=64, help_text="`org_…`")
    owner = serializers.CharField(
        default="", max_length=64, help_text="`usr_…`, `me` or `organization`."
    )
    q = serializers.CharField(
        default="",
        max_length=255,
        trim_whitespace=False,
        help_text="Only keys whose name or mask contains this text, or whose id it is.",
    )
    unused = serializers.BooleanField(
        default=False, help_text="Only keys that were not used for 90 days."
    )
    never_expires = serializers.BooleanField(
        default=False, help_text="Only keys without an expiry."
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT, help_text="Keys per page."
    )
    cursor = serializers.CharField(
        default="", max_length=256, help_text="`next_cursor` of the previous page."
    )

    def wanted_by(self, caller: Caller) -> KeyFilter:
        data = self.validated_data
        return KeyFilter(
            status=Status(data["status"]) if data["status"] else None,
            kind=data["kind"],
            environment=data["environment"],
            organization=read_id("org", data["organization_id"]),
            owner=_owner(data["owner"], caller),
            is_organizations=data["owner"] == "organization",
            is_unused=data["unused"],
            never_expires=data["never_expires"],
            q=data["q"],
        )


def _owner(text: str, caller: Caller) -> uuid.UUID | None:
    if text == "organization":
        return None
    return caller.user.pk if text == "me" and caller.user else read_id("usr", text)


def read_id(prefix: str, text: str) -> uuid.UUID | None:
    """Return None for "", and the nil UUID, which matches nothing, for an invalid id."""
    try:
        return decode(prefix, text) if text else None
    except ValueError:
        return uuid.UUID(int=0)
