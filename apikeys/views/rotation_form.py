from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms

from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.services import Overlap
from apikeys.views.forms import NonceForm
from tenants.models import User

DAY = int(timedelta(days=1).total_seconds())
GRACES = (
    (0, "Now"),
    (15 * 60, "15 minutes"),
    (60 * 60, "1 hour"),
    (DAY, "24 hours"),
    (7 * DAY, "7 days"),
)


class RotationForm(NonceForm):
    """When the old secret ends. Only agent keys know their hosts."""

    grace = forms.TypedChoiceField(
        label="The old secret stops working",
        coerce=int,
        choices=GRACES,
        initial=DAY,
        widget=forms.RadioSelect,
    )
    last_host = forms.BooleanField(
        label="End it earlier, as soon as the last known host has moved",
        required=False,
        help_text="The time above stays the latest end.",
    )

    def __init__(self, data: Mapping[str, Any] | None, *, user: User, key: Key) -> None:
        super().__init__(data, user=user)
        if key.kind != Kind.AGENT:
            del self.fields["last_host"]

    def overlap(self) -> Overlap:
        grace = timedelta(seconds=self.cleaned_data["grace"])
        wants_last_host = bool(self.cleaned_data.get("last_host"))
        return Overlap(grace, ends_with_last_host=bool(grace) and wants_last_host)
