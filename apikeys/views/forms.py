"""The nonce that makes a form show one secret once, and forms for ending keys."""

import secrets
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.signing import BadSignature, TimestampSigner
from django.utils import timezone

from apikeys.models import Key
from tenants.forms import LineField
from tenants.models import User

NAME_LENGTH = 255
DESCRIPTION_LENGTH = 500
REASON_LENGTH = 255
LATEST_EXPIRY = timedelta(days=3653)
NONCE_LIFETIME = timedelta(hours=24)
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


class SeveralForm(forms.Form):
    """Confirms a change to several keys. `phrase` must be typed, unless it is empty."""

    reason = LineField(max_length=REASON_LENGTH, required=False)
    typed = forms.CharField(max_length=64)

    def __init__(self, data: Mapping[str, Any] | None, *, phrase: str, has_reason: bool) -> None:
        super().__init__(data)
        self.phrase = phrase
        self.fields["typed"].label = f"Type “{phrase}” to confirm"
        self.fields["typed"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}
        for name, is_asked in (("typed", bool(phrase)), ("reason", has_reason)):
            if not is_asked:
                del self.fields[name]

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if " ".join(typed.split()).lower() != self.phrase:
            raise forms.ValidationError(f"Type “{self.phrase}”.")
        return typed


class ReasonForm(forms.Form):
    """The reason for revoking a key, which the trail keeps."""

    reason = LineField(max_length=REASON_LENGTH, required=False)

    def __init__(self, data: Mapping[str, Any] | None, *, key: Key) -> None:
        super().__init__(data)
        self.key = key
