"""The form of the key rules page."""

from collections.abc import Mapping
from typing import Any

from django import forms

from apikeys import networks
from apikeys.models import KeyRules
from apikeys.networks import MOST_NETWORKS
from apikeys.rules import Issuers
from apikeys.rules.models import MOST_DAYS
from apikeys.services.rules import FIELDS
from tenants.forms import LinesField


class DemandedNetworksField(LinesField):
    """Networks in CIDR notation, one per line."""

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) > MOST_NETWORKS:
            raise forms.ValidationError(f"Enter at most {MOST_NETWORKS} networks.")

    def clean(self, value: Any) -> list[str]:
        return [str(network) for network in networks.parse(super().clean(value))]

    def flaw(self, line: str) -> str:
        try:
            networks.parse([line])
        except ValueError:
            return "enter a network such as 192.0.2.0/24 or 2001:db8::/32."
        return ""


def _days(label: str, help_text: str) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=MOST_DAYS,
        help_text=help_text,
        error_messages={
            "min_value": "Enter at least 1 day.",
            "max_value": f"Enter at most {MOST_DAYS} days.",
        },
    )


class KeyRulesForm(forms.Form):
    """`version` is the version being edited. Saving is refused if a newer one exists."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1)
    issuers = forms.ChoiceField(
        label="Who can have API keys",
        choices=Issuers.choices,
        widget=forms.RadioSelect,
        help_text="Agent keys and organization keys are always for admins and owners to create.",
    )
    longest_days = _days(
        "Longest lifetime, in days", "A number also rules out keys that never expire."
    )
    allows_never = forms.BooleanField(
        label="Allow keys that never expire",
        required=False,
        help_text="Applies while there is no longest lifetime.",
    )
    live_networks = DemandedNetworksField(
        label="Networks of live keys",
        required=False,
        help_text=(
            "One per line, for example 192.0.2.0/24. Live keys work only from networks within "
            "these, agent keys included. Leave empty to allow any network."
        ),
    )
    needs_approval = forms.BooleanField(
        label="Require approval of live keys",
        required=False,
        help_text=(
            "Another admin or owner must approve each new live key. A request waits for 7 days. "
            "Test keys and agent keys need no approval."
        ),
    )
    rotate_live_days = _days("Rotate live keys after, in days", "Leave empty for no reminder.")
    rotate_test_days = _days("Rotate test keys after, in days", "Leave empty for no reminder.")

    def __init__(self, data: Mapping[str, Any] | None, *, current: KeyRules) -> None:
        initial = {name: getattr(current, name) for name in (*FIELDS, "version")}
        super().__init__(data, initial=initial)

    def changes(self) -> dict[str, Any]:
        """Return the values to save, keyed by model field. Call only if the form is valid."""
        return {name: self.cleaned_data[name] for name in FIELDS}
