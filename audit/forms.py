"""What the Activity and the Audit Log page can be asked for. Every form is a GET: an address says what it shows."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from audit.actions import Action
from audit.activity import ActivityFilter
from audit.event import EARLIEST
from audit.models import NAME_LENGTH
from config.lib.environment import Environment

# Some way off the end of the calendar, so that any time zone can show it.
LATEST = EARLIEST.replace(year=9990)
SPANS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}


class MomentField(forms.DateTimeField):
    """A time in the zone of the person who looks, from the browser's own picker."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def __init__(self, **kwargs: Any) -> None:
        limits = [MinValueValidator(EARLIEST), MaxValueValidator(LATEST)]
        super().__init__(required=False, validators=limits, **kwargs)


def _text(label: str, *, max_length: int = NAME_LENGTH, **attributes: str) -> forms.CharField:
    attributes |= {"autocomplete": "off", "spellcheck": "false"}
    return forms.CharField(
        label=label, required=False, max_length=max_length, widget=forms.TextInput(attrs=attributes)
    )


class ActivityForm(forms.Form):
    """`at` is when a span was first asked for, and what it counts back from: its later pages ask the same question."""

    q = _text("Search", type="search", placeholder="Statement, object or principal")
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
    actor = _text("Actor", placeholder="Server principal")
    action = _text("Action", placeholder="SELECT or SL")
    database = _text("Database")
    object = _text("Object")
    client_ip = _text("Client IP", max_length=64)
    since = MomentField(label="From")
    until = MomentField(label="To, not included")
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
            self.add_error("until", "This has to be later than “From”.")
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
        """Tell whether anything but the environment was asked for."""
        return any(self.data.get(name) for name in ("q", "span", "success", *self.RARE))

    @property
    def narrows_rarely(self) -> bool:
        return any(self.data.get(name) for name in self.RARE)


class TrailForm(forms.Form):
    """`before` and `after` are sequence numbers: the page of entries older or newer than that one."""

    action = forms.ChoiceField(
        label="Action", required=False, choices=[("", "Any action"), *Action.choices]
    )
    actor = _text("Actor", placeholder="Name, address or id")
    target = _text("Key or other target", placeholder="Label or id")
    since = MomentField(label="From")
    until = MomentField(label="To, not included")
    before = forms.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput
    )
    after = forms.IntegerField(
        required=False, min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput
    )

    FILTERS = ("action", "actor", "target", "since", "until")

    @property
    def wanted(self) -> dict[str, Any]:
        """What was asked for, as audit.trail.entries() takes it."""
        return {name: self.cleaned_data[name] for name in self.FILTERS if self.cleaned_data[name]}

    @property
    def narrows(self) -> bool:
        return any(self.data.get(name) for name in self.FILTERS)

    @property
    def narrows_by_time(self) -> bool:
        return any(self.data.get(name) for name in ("since", "until"))
