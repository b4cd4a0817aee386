"""The filter of the audit log. The form is a GET: an address says what it shows."""

from typing import Any

from django import forms

from audit.fields import MomentField, text_field
from audit.trail.actions import Action


class TrailForm(forms.Form):
    """`before` and `after` are sequence numbers: the page of entries older or newer than that one."""

    action = forms.ChoiceField(
        label="Action", required=False, choices=[("", "Any action"), *Action.choices]
    )
    actor = text_field("Actor", placeholder="Name, address or id")
    target = text_field("Key or other target", placeholder="Label or id")
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
        """What was asked for, as trail.entries_of() takes it."""
        return {name: self.cleaned_data[name] for name in self.FILTERS if self.cleaned_data[name]}

    @property
    def narrows(self) -> bool:
        return any(self.data.get(name) for name in self.FILTERS)

    @property
    def narrows_by_time(self) -> bool:
        return any(self.data.get(name) for name in ("since", "until"))
