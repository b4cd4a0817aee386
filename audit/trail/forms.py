"""The filter form of the audit log. It submits with GET, so results can be linked."""

from typing import Any

from django import forms

from audit.fields import LocalTimeField, text_field
from audit.trail.actions import Action


class TrailForm(forms.Form):
    """`before` and `after` are sequence numbers.

    The page shows the entries older than `before` or newer than `after`.
    """

    action = forms.ChoiceField(
        label="Action", required=False, choices=[("", "Any action"), *Action.choices]
    )
    actor = text_field("Actor", placeholder="Name, address or id")
    target = text_field("Key or other target", placeholder="Label or id")
    since = LocalTimeField(label="From")
    until = LocalTimeField(label="Before")
    before = forms.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput
    )
    after = forms.IntegerField(
        required=False, min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput
    )

    FILTERS = ("action", "actor", "target", "since", "until")

    @property
    def wanted(self) -> dict[str, Any]:
        """Return the filters that are set, as arguments for trail.entries_of()."""
        return {name: self.cleaned_data[name] for name in self.FILTERS if self.cleaned_data[name]}

    @property
    def narrows(self) -> bool:
        return any(self.data.get(name) for name in self.FILTERS)

    @property
    def narrows_by_time(self) -> bool:
        return any(self.data.get(name) for name in ("since", "until"))
