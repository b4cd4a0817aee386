"""The form that edits a key."""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from apikeys import networks, scopes
from apikeys.authority import Authority
from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.networks import MOST_NETWORKS, NOT_A_NETWORK, Network
from apikeys.scopes import Scope
from apikeys.services import Changes
from apikeys.services.change import authority_of_owner
from apikeys.views.forms import (
    DESCRIPTION_LENGTH,
    LATEST_EXPIRY,
    NAME_LENGTH,
    DateInput,
    end_of,
)
from audit import trail
from tenants.forms import LineField

HELD_BY_LENGTH = 255
MOST_FLAWS = 5
STALE = (
    "This key was edited after you opened this form. "
    "Your entries are below. Save again to replace the other changes."
)


class NetworksField(forms.CharField):
    """Networks, one per line. Cleans to parsed networks, and names each line that is wrong."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        found: list[Network] = []
        flaws: list[str] = []
        for number, line in enumerate((super().to_python(value) or "").splitlines(), start=1):
            if text := line.strip():
                try:
                    found += networks.parse([text])
                except ValueError:
                    flaws.append(f"Line {number} {NOT_A_NETWORK}")
        if len(found) > MOST_NETWORKS:
            flaws.append(f"Enter at most {MOST_NETWORKS} networks.")
        if flaws:
            raise forms.ValidationError(flaws[:MOST_FLAWS])
        return tuple(dict.fromkeys(found))

    def run_validators(self, value: Any) -> None:
        """Skip CharField's validators, which expect text."""


class KeyEditForm(forms.Form):
    """The editable fields of a key. `within` is what the user may grant."""

    name = LineField(
        label="Label", max_length=NAME_LENGTH, error_messages={"required": "Enter a label."}
    )
    description = LineField(max_length=DESCRIPTION_LENGTH, required=False)
    held_by = LineField(
        label="Held by",
        max_length=HELD_BY_LENGTH,
        required=False,
        help_text="The team, system or place where the key is stored, such as “Vault, ci/export”.",
    )
    scopes = forms.MultipleChoiceField(
        label="Permission scopes",
        error_messages={
            "required": "Keep at least one scope. A key without scopes can do nothing."
        },
    )
    networks = NetworksField(
        required=False,
        help_text="One per line, such as 192.0.2.0/24 or 2001:db8::/32. Leave empty to allow any.",
    )
    expires_on = forms.DateField(
        label="Expiry date",
        required=False,
        widget=DateInput,
        error_messages={
            "invalid": "Enter a date such as 2027-01-31.",
            "required": "The expiry can be brought nearer but not removed.",
        },
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, data: Mapping[str, Any] | None, *, key: Key, within: Authority, now: datetime
    ) -> None:
        self.key, self.within, self.today = key, within, timezone.localdate(now)
        self.end = timezone.localdate(key.expires_at) if key.expires_at else None
        initial = {
            "name": key.name,
            "description": key.description,
            "held_by": key.held_by,
            "scopes": key.scopes,
            "networks": key.allowed_cidrs,
            "expires_on": self.end,
        }
        super().__init__(data, initial=initial)
        if key.kind == Kind.AGENT:
            del self.fields["scopes"]
        else:
            self._offer()
        self._limit_end()

    def _offer(self) -> None:
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101  declared above
        # In the key's own spelling, or saving the form would drop or respell what the key has.
        spelled = {scopes.canonical(name): name for name in self.key.scopes}
        field.choices = [
            (spelled.get(scope.name, scope.name), scope.title) for scope in self.offered
        ]
        known = {scope.name for scope in self.offered}
        field.choices += [(name, name) for name in self.unknown if name not in known]

    def _limit_end(self) -> None:
        field, latest = self.fields["expires_on"], self.end or self.today + LATEST_EXPIRY
        field.required = self.end is not None
        field.help_text = (
            "The key stops working at the end of this day. You can bring it nearer, "
            "but not move it out."
            if self.end
            else "This key never expires. An expiry date can’t be removed or moved out later."
        )
        earliest = min(self.today + timedelta(days=1), latest)
        field.widget.attrs |= {"min": earliest.isoformat(), "max": latest.isoformat()}

    @property
    def offered(self) -> list[Scope]:
        """The scopes the key has, and those that both the user and the key's owner may grant."""
        both = self.within.scopes & authority_of_owner(self.key.owner).scopes
        return [
            scope
            for scope in scopes.of_kind(Kind.PUBLIC)
            if scope.name in self.key.granted_scopes or (scope.is_grantable and scope.name in both)
        ]

    @property
    def unknown(self) -> list[str]:
        """The key's scopes that are no longer registered. They can be removed but not added."""
        known = scopes.registry()
        return [name for name in self.key.scopes if scopes.canonical(name) not in known]

    @property
    def state(self) -> str:
        """A digest of what the form edits, to notice an edit since the form was opened."""
        shown = {**self.initial, "expires_on": str(self.key.expires_at)}
        return hashlib.sha256(trail.canonical(shown).encode()).hexdigest()

    def clean_expires_on(self) -> date | None:
        day: date | None = self.cleaned_data["expires_on"]
        if day is None or day == self.end:
            return day
        if day <= self.today:
            raise forms.ValidationError(
                "Choose tomorrow or a later date. To end the key now, revoke it."
            )
        if self.end and day > self.end:
            raise forms.ValidationError(
                f"The expiry can’t be moved out. Choose {self.end:%Y-%m-%d} or earlier."
            )
        if day > self.today + LATEST_EXPIRY:
            raise forms.ValidationError("Choose a date within ten years, or no expiry.")
        return day

    def clean(self) -> None:
        if self.cleaned_data.get("seen") != self.state:
            self.add_error(None, STALE)

    def changes(self) -> Changes:
        day = self.cleaned_data["expires_on"]
        return Changes(
            name=self.cleaned_data["name"],
            description=self.cleaned_data["description"],
            held_by=self.cleaned_data["held_by"],
            scopes=self.cleaned_data.get("scopes"),
            allowed=self.cleaned_data["networks"],
            # The day of the present end stands for that very moment, not for the end of the day.
            expires_at=end_of(day) if day and day != self.end else None,
        )
