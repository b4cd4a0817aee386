"""Form fields that the Audit log and Database activity pages share."""

from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from audit.activity.event import EARLIEST
from audit.activity.models import NAME_LENGTH

# Far enough from the end of the calendar that converting to any time zone cannot overflow.
LATEST = EARLIEST.replace(year=9990)


class LocalTimeField(forms.DateTimeField):
    """An optional time in the user's own time zone, entered with the browser's picker."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def __init__(self, **kwargs: Any) -> None:
        limits = [MinValueValidator(EARLIEST), MaxValueValidator(LATEST)]
        super().__init__(required=False, validators=limits, **kwargs)


def text_field(label: str, *, max_length: int = NAME_LENGTH, **attributes: str) -> forms.CharField:
    attributes |= {"autocomplete": "off", "spellcheck": "false"}
    return forms.CharField(
        label=label, required=False, max_length=max_length, widget=forms.TextInput(attrs=attributes)
    )
