"""The query string of activity."""

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
    """The filter, and which page of what it finds."""

    since = _moment("Events at this time or later; RFC 3339, UTC where there is no offset.")
    until = _moment("Events before this time.")
    actor = _text("Exactly this `server_principal_name`.")
    action = _text("Exactly this `action_id` or `action_name`.")
    database = _text("Exactly this `database_name`.")
    object = _text("Exactly this `object_name`.")
    success = serializers.ChoiceField(
        choices=["true", "false"],
        default="",
        allow_blank=True,
        help_text="`true`: what succeeded; `false`: what failed.",
    )
    client_ip = _text("Exactly this `client_ip`.", max_length=64)
    q = _text(
        "Text in the statement, the name of the object or of a principal, or the additional information."
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT, help_text="Events on a page."
    )
    cursor = _text("`next_cursor` of the page before.")

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
