"""The filter form of the Database activity page. It submits with GET, so results can be linked."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from audit.activity.event import EARLIEST
from audit.activity.queries import ActivityFilter
from audit.fields import LATEST, LocalTimeField, text_field
from config.lib.environment import Environment

SPANS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}


class ActivityForm(forms.Form):
    """`at` is the moment that `span` counts back from.

    Page links repeat it, so that every page of "Last hour" covers the same hour.
    """

    q = text_field("Search", type="search", placeholder="Statement, object or principal")
    span = forms.ChoiceField(
        label="Time",
        required=False,
        choices=[
            ("", "Any time"),
            ("1h", "Last hour"),
            ("24h", "Last 24 hours"),
            ("7d", "Last 7 days"),
            ("30d", "Last 30 days"),
        ],
    )
    success = forms.ChoiceField(
        label="Result",
        required=False,
        choices=[("", "Any"), ("true", "Succeeded"), ("false", "Failed")],
    )
    actor = text_field("Actor", placeholder="Server principal")
    action = text_field("Action", placeholder="SELECT or SL")
    database = text_field("Database")
    object = text_field("Object")
    client_ip = text_field("Client IP", max_length=64)
    since = LocalTimeField(label="From")
    until = LocalTimeField(label="Before")
    environment = forms.ChoiceField(required=False, choices=Environment, widget=forms.HiddenInput)
    at = forms.DateTimeField(
        required=False,
        widget=forms.HiddenInput,
        validators=[MinValueValidator(EARLIEST), MaxValueValidator(LATEST)],
    )
    cursor = forms.CharField(required=False, max_length=256, widget=forms.HiddenInput)

    RARE = ("actor", "action", "database", "object", "client_ip", "since", "until")

    def clean_environment(self) -> str:
        return self.cleaned_data["environment"] or Environment.LIVE.value

    def clean_at(self) -> datetime:
        at: datetime | None = self.cleaned_data["at"]
        return at or timezone.now().replace(microsecond=0)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        since, until = data.get("since"), data.get("until")
        if since and until and until <= since:
            self.add_error("until", "Choose a time later than “From”.")
        return data

    @property
    def wanted(self) -> ActivityFilter:
        data = self.cleaned_data
        starts = [data["since"], data["at"] - SPANS[data["span"]] if data["span"] else None]
        return ActivityFilter(
            since=max(filter(None, starts), default=None),
            until=data["until"],
            success={"true": True, "false": False}.get(data["success"]),
            **{
                name: data[name]
                for name in ("actor", "action", "database", "object", "client_ip", "q")
            },
        )

    @property
    def narrows(self) -> bool:
        """Return whether any filter besides the environment is set."""
        return any(self.data.get(name) for name in ("q", "span", "success", *self.RARE))

    @property
    def narrows_rarely(self) -> bool:
        """Return whether any of the fields behind "More filters" is set."""
        return any(self.data.get(name) for name in self.RARE)
