"""What people type to register and look after an application."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.signing import BadSignature

from apikeys.oauth import redirects, scopes
from apikeys.oauth.models import Application, Purpose
from apikeys.oauth.services import Draft
from apikeys.views.forms import STALE_FORM, new_nonce, read_nonce
from config.lib.environment import Environment
from tenants.forms import LineField
from tenants.models import User

NAME_LENGTH = 255
ADDRESSES = 10
UNKNOWN_ADDRESS = (
    "{} cannot be used: https://… without a fragment, or http:// on localhost, 127.0.0.1 or [::1]."
)


class NonceForm(forms.Form):
    """A form that shows a secret once, however often it is sent."""

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
        sent = str(self.data.get("nonce", ""))
        try:
            read_nonce(self.user, sent)
        except BadSignature:
            return new_nonce(self.user)
        return sent


class DetailsForm(forms.Form):
    """What can be changed later, too."""

    name = LineField(max_length=NAME_LENGTH, error_messages={"required": "Enter a name."})
    scopes = forms.MultipleChoiceField(
        label="Permission scopes",
        widget=forms.CheckboxSelectMultiple,
        help_text="What it may ask for. It gets no more than that, and no more than the person who allows it may do.",
        error_messages={
            "required": "Choose at least one scope: a token without one can do nothing."
        },
    )
    redirect_uris = forms.CharField(
        label="Redirect URIs",
        required=False,
        max_length=ADDRESSES * (redirects.LENGTH + 2),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One a line, compared character by character. None for a service.",
    )

    def __init__(self, data: Mapping[str, Any] | None, **more: Any) -> None:
        super().__init__(data, **more)
        field = self.fields["scopes"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  so the class says
        field.choices = [
            (scope.name, f"{scope.title} ({scope.name})") for scope in scopes.offered()
        ]
        self.fields["name"].help_text = "People read it when they are asked to allow it."

    def clean_redirect_uris(self) -> list[str]:
        lines = list(dict.fromkeys(str(self.cleaned_data["redirect_uris"]).split()))
        if len(lines) > ADDRESSES:
            raise forms.ValidationError(f"At most {ADDRESSES} addresses.")
        if wrong := [line for line in lines if not redirects.is_acceptable(line)]:
            raise forms.ValidationError(UNKNOWN_ADDRESS.format(wrong[0][:100]))
        return lines

    def check_addresses(self, purpose: Purpose | None) -> None:
        lines = self.cleaned_data.get("redirect_uris")
        if lines is None or purpose is None:
            return
        if purpose is Purpose.SERVICE and lines:
            self.add_error("redirect_uris", "A service has none: nobody is sent back to it.")
        if purpose is not Purpose.SERVICE and not lines:
            self.add_error("redirect_uris", "Enter where people are sent back to.")


class NewApplicationForm(NonceForm, DetailsForm):
    purpose = forms.ChoiceField(
        label="Type",
        choices=[
            (Purpose.WEB, "Web application: runs on a server, acts for people who allow it"),
            (
                Purpose.NATIVE,
                "Desktop, mobile or browser application: cannot keep a secret, acts for people who allow it",
            ),
            (Purpose.SERVICE, "Service: acts for the organization, without a person"),
        ],
        initial=Purpose.WEB,
        widget=forms.RadioSelect,
    )
    environment = forms.ChoiceField(
        choices=Environment.choices,
        initial=Environment.LIVE,
        widget=forms.RadioSelect,
        help_text="With a test application’s tokens one sees and writes test data only.",
    )
    field_order = ("name", "purpose", "redirect_uris", "scopes", "environment", "nonce")

    def clean(self) -> None:
        super().clean()
        chosen = self.cleaned_data.get("purpose")
        self.check_addresses(Purpose(chosen) if chosen else None)

    def draft(self) -> Draft:
        return Draft(
            name=self.cleaned_data["name"],
            purpose=Purpose(self.cleaned_data["purpose"]),
            scopes=self.cleaned_data["scopes"],
            redirect_uris=self.cleaned_data["redirect_uris"],
            environment=Environment(self.cleaned_data["environment"]),
            idempotency_key=self.cleaned_data["idempotency_key"],
        )


class EditApplicationForm(DetailsForm):
    field_order = ("name", "redirect_uris", "scopes")

    def __init__(self, data: Mapping[str, Any] | None, *, application: Application) -> None:
        self.application = application
        initial = {
            "name": application.name,
            "scopes": application.scopes,
            "redirect_uris": "\n".join(application.addresses),
        }
        super().__init__(data, initial=initial)
        if not application.is_for_people:
            del self.fields["redirect_uris"]

    def clean(self) -> None:
        if self.application.is_for_people:
            self.check_addresses(self.application.purpose)


class DeleteApplicationForm(forms.Form):
    """Typing the name keeps a hand from ending what many rely on."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        label="Name of the application",
        widget=forms.TextInput({"autocomplete": "off"}),
    )

    def __init__(self, data: Mapping[str, Any] | None, *, application: Application) -> None:
        self.application = application
        super().__init__(data)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name != self.application.name:
            raise forms.ValidationError("This is not its name.")
        return name
