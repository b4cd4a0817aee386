"""The query string of the activity API."""

from datetime import UTC
from typing import Any

from rest_framework import serializers

from audit.activity.models import NAME_LENGTH
from audit.activity.queries import DEFAULT_LIMIT, MAX_LIMIT, ActivityFilter


def _text(help_text: str, *, max_length: int = NAME_LENGTH) -> serializers.CharField:
    return serializers.CharField(
        default="",
        allow_blank=True,
        trim_whitespace=False,
        max_length=max_length,
        help_text=help_text,
    )


def _moment(help_text: str) -> serializers.DateTimeField:
    return serializers.DateTimeField(default=None, default_timezone=UTC, help_text=help_text)


class ActivityQuery(serializers.Serializer[Any]):
    """The filter and the page to return."""

    since = _moment("Events at or after this time. RFC 3339; without an offset, UTC.")
    until = _moment("Events before this time.")
    actor = _text("Exact match on `server_principal_name`.")
    action = _text("Exact match on `action_id` or `action_name`.")
    database = _text("Exact match on `database_name`.")
    object = _text("Exact match on `object_name`.")
    success = serializers.ChoiceField(
        choices=["true", "false"],
        default="",
        allow_blank=True,
        help_text="`true` for actions that succeeded, `false` for those that failed.",
    )
    client_ip = _text("Exact match on `client_ip`.", max_length=64)
    q = _text(
        "Text contained in the statement, an object or principal name, or the additional "
        "information. Ignores case."
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT, help_text="Events per page."
    )
    cursor = _text("`next_cursor` from the previous page.")

    @property
    def wanted(self) -> ActivityFilter:
        data = {
            name: value
            for name, value in self.validated_data.items()
            if name not in ("limit", "cursor")
        }
        return ActivityFilter(
            **data | {"success": {"true": True, "false": False}.get(data["success"])}
        )
