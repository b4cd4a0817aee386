"""Forms for creating and revoking keys, and the nonce that makes a form show one secret once."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.signing import BadSignature, TimestampSigner
from django.utils import timezone

from apikeys import scopes
from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.scopes import Scope
from apikeys.services import Order
from config.lib.environment import Environment
from tenants.access import Access
from tenants.forms import LineField
from tenants.models import User

NAME_LENGTH = 255
DESCRIPTION_LENGTH = 500
REASON_LENGTH = 255
LATEST_EXPIRY = timedelta(days=3653)
NONCE_LIFETIME = timedelta(hours=24)
PRESETS = (7, 30, 90, 365)
DEFAULT_EXPIRY = "90"
STALE_FORM = (
    "This form has expired or was opened by another user. "
    "Nothing was created. Check your entries and submit it again."
)


def new_nonce(user: User) -> str:
    """Make a random nonce, signed for this user. One nonce issues at most one secret."""
    return _signer(user).sign(secrets.token_urlsafe(16))


def read_nonce(user: User, signed: str) -> str:
    """Raises BadSignature if the nonce is forged, expired or another user's."""
    return _signer(user).unsign(signed, max_age=NONCE_LIFETIME)


def _signer(user: User) -> TimestampSigner:
    # The salt binds a nonce to its user: one user's form must not use up another's nonce.
    return TimestampSigner(salt=f"apikeys.views.forms.nonce:{user.pk}")


class NonceForm(forms.Form):
    """A form whose answer shows a secret, once, however often the form is submitted."""

    nonce = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any] | None, *, user: User, **more: Any) -> None:
        self.user = user
        super().__init__(data, **more)

    def clean(self) -> None:
        try:
            self.cleaned_data["idempotency_key"] = read_nonce(
                self.user, self.cleaned_data.get("nonce", "")
            )
        except BadSignature:
            self.add_error(None, STALE_FORM)

    @property
    def fresh_nonce(self) -> str:
        """The nonce to render. A submitted one is kept while it is valid.

        A new nonce on each answer would turn a corrected form into a second form, and submitting
        both would issue two secrets.
        """
        submitted = str(self.data.get("nonce", ""))
        try:
            read_nonce(self.user, submitted)
        except BadSignature:
            return new_nonce(self.user)
        return submitted

    @property
    def idempotency_key(self) -> str:
        return str(self.cleaned_data["idempotency_key"])


def end_of(day: date) -> datetime:
    """The last second of a day in the user's time zone."""
    return datetime.combine(day, time(23, 59, 59), timezone.get_current_timezone())


class DateInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class NewKeyForm(NonceForm):
    """The fields of every new key."""

    name = LineField(
        label="Label", max_length=NAME_LENGTH, error_messages={"required": "Enter a label."}
    )
    environment = forms.ChoiceField(
        choices=Environment.choices,
        initial=Environment.LIVE,
        widget=forms.RadioSelect,
        help_text="A test key sees and writes test data only.",
    )
    expires_on = forms.DateField(
        label="Expiry date",
        required=False,
        widget=DateInput,
        error_messages={"invalid": "Enter a date such as 2027-01-31."},
    )

    def __init__(self, data: Mapping[str, Any] | None, *, user: User, now: datetime) -> None:
        self.today = timezone.localdate(now)
        super().__init__(data, user=user)
        self.fields["expires_on"].widget.attrs |= {
            "min": (self.today + timedelta(days=1)).isoformat(),
            "max": (self.today + LATEST_EXPIRY).isoformat(),
        }

    def clean_expires_on(self) -> date | None:
        day: date | None = self.cleaned_data["expires_on"]
        if day and day <= self.today:
            raise forms.ValidationError("Choose tomorrow or a later date.")
        if day and day > self.today + LATEST_EXPIRY:
            raise forms.ValidationError("Choose a date within ten years, or no expiry.")
        return day

    def expires_at(self) -> datetime | None:
        day = self.cleaned_data["expires_on"]
        return end_of(day) if day else None

    def order(self) -> Order:
        return Order(
            name=self.cleaned_data["name"],
            description=self.cleaned_data.get("description", ""),
            environment=Environment(self.cleaned_data["environment"]),
            expires_at=self.expires_at(),
            idempotency_key=self.idempotency_key,
        )


class AgentKeyForm(NewKeyForm):
    field_order = ("name", "expires_on", "environment", "nonce")

    def __init__(self, data: Mapping[str, Any] | None, *, user: User, now: datetime) -> None:
        super().__init__(data, user=user, now=now)
        self.fields["name"].help_text = "Where it is used, for example Production SQL 01 Agent."
        self.fields[
            "expires_on"
        ].help_text = "The key stops working at the end of this day. Leave empty for no expiry."


class PublicKeyForm(NewKeyForm):
    """`places` are the organizations where the user may create keys.

    With one, there is no choice.
    """

    organization = forms.ChoiceField()
    description = LineField(max_length=DESCRIPTION_LENGTH, required=False)
    scopes = forms.MultipleChoiceField(
        label="Permission scopes",
        error_messages={
            "required": "Choose at least one scope. A key without scopes can do nothing."
        },
    )
    expires = forms.ChoiceField(initial=DEFAULT_EXPIRY)
    field_order = (
        "organization",
        "name",
        "description",
        "scopes",
        "environment",
        "expires",
        "expires_on",
        "nonce",
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        user: User,
        now: datetime,
        places: Sequence[Access],
        preferred: str = "",
    ) -> None:
        self.places = {place.organization.slug: place for place in places}
        super().__init__(data, user=user, now=now)
        self.fields[
            "name"
        ].help_text = "Where it is used, for example SIEM Integration or Audit Export Script."
        self._choices("scopes", [(scope.name, scope.title) for scope in self.offered])
        self._choices("expires", self._expiries())
        self._choices(
            "organization", [(slug, place.organization.name) for slug, place in self.places.items()]
        )
        if preferred in self.places:
            self.initial["organization"] = preferred
        if len(self.places) == 1:
            del self.fields["organization"]

    @property
    def offered(self) -> list[Scope]:
        """The scopes the user may hold in any of the places, and those that are coming soon."""
        held = frozenset[str]().union(
            *(scopes.held_with(place.permissions) for place in self.places.values())
        )
        return [
            scope
            for scope in scopes.of_kind(Kind.PUBLIC)
            if scope.name in held or not scope.is_grantable
        ]

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  as declared above, for mypy
        field.choices = choices

    def _expiries(self) -> list[tuple[str, str]]:
        presets = [(str(days), f"{days} days") for days in PRESETS]
        return [*presets, ("custom", "Custom date"), ("never", "Never")]

    def preset_days(self) -> dict[str, date]:
        """The expiry date of each preset, for the page to show."""
        return {str(days): self.today + timedelta(days=days) for days in PRESETS}

    def clean_scopes(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["scopes"]
        known = scopes.registry()
        if coming := [known[name].title for name in chosen if not known[name].is_grantable]:
            raise forms.ValidationError(
                f"{', '.join(coming)}: coming soon and cannot be granted yet."
            )
        return chosen

    def clean(self) -> None:
        super().clean()
        is_custom = self.cleaned_data.get("expires") == "custom"
        if (
            is_custom
            and not self.cleaned_data.get("expires_on")
            and "expires_on" not in self.errors
        ):
            self.add_error("expires_on", "Choose an expiry date.")

    def expires_at(self) -> datetime | None:
        chosen: str = self.cleaned_data["expires"]
        if chosen == "never":
            return None
        return super().expires_at() if chosen == "custom" else end_of(self.preset_days()[chosen])

    @property
    def place(self) -> Access:
        slug = self.cleaned_data.get("organization") or next(iter(self.places))
        return self.places[slug]


class ReasonForm(forms.Form):
    """The reason for revoking a key, which the trail keeps."""

    reason = LineField(max_length=REASON_LENGTH, required=False)

    def __init__(self, data: Mapping[str, Any] | None, *, key: Key) -> None:
        super().__init__(data)
        self.key = key
