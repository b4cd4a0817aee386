"""Forms for registering and managing applications."""

from collections.abc import Mapping
from typing import Any

from django import forms

from apikeys import scopes as registry
from apikeys.oauth import redirects, scopes
from apikeys.oauth.errors import PkceRequired
from apikeys.oauth.models import Application, Purpose
from apikeys.oauth.services import Draft
from apikeys.views.forms import NonceForm
from config.lib.environment import Environment
from tenants.forms import LineField

NAME_LENGTH = 255
ADDRESSES = 10
UNKNOWN_ADDRESS = (
    "{} cannot be used. Enter an https:// address without a fragment, "
    "or http:// on localhost, 127.0.0.1 or [::1]."
)


class DetailsForm(forms.Form):
    """The fields that can also be edited later."""

    name = LineField(max_length=NAME_LENGTH, error_messages={"required": "Enter a name."})
    scopes = forms.MultipleChoiceField(
        label="Permission scopes",
        widget=forms.CheckboxSelectMultiple,
        help_text=(
            "The most it can request. It never gets more than the person who authorizes it has."
        ),
        error_messages={
            "required": "Choose at least one scope. A token without scopes can do nothing."
        },
    )
    redirect_uris = forms.CharField(
        label="Redirect URIs",
        required=False,
        max_length=ADDRESSES * (redirects.LENGTH + 2),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One per line. Must match exactly. Not used by services.",
    )
    without_pkce = forms.BooleanField(
        label="Allow authorization without PKCE",
        required=False,
        help_text=(
            "Only for a web application that cannot send a code challenge. Without one, a stolen "
            "authorization code can be injected into the application from another browser."
        ),
    )

    def __init__(self, data: Mapping[str, Any] | None, **more: Any) -> None:
        super().__init__(data, **more)
        field = self.fields["scopes"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  as declared above, for mypy
        field.choices = [
            (scope.name, f"{scope.title} ({scope.name})") for scope in scopes.offered()
        ]
        self.fields["name"].help_text = "Shown to people when they are asked to authorize it."

    def clean_redirect_uris(self) -> list[str]:
        lines = list(dict.fromkeys(str(self.cleaned_data["redirect_uris"]).split()))
        if len(lines) > ADDRESSES:
            raise forms.ValidationError(f"Enter at most {ADDRESSES} addresses.")
        if wrong := [line for line in lines if not redirects.is_acceptable(line)]:
            raise forms.ValidationError(UNKNOWN_ADDRESS.format(wrong[0][:100]))
        return lines

    def check_addresses(self, purpose: Purpose | None) -> None:
        lines = self.cleaned_data.get("redirect_uris")
        if lines is None or purpose is None:
            return
        if purpose is Purpose.SERVICE and lines:
            self.add_error("redirect_uris", "Leave this empty. Services do not use redirect URIs.")
        if purpose is not Purpose.SERVICE and not lines:
            self.add_error("redirect_uris", "Enter at least one redirect URI.")


class NewApplicationForm(NonceForm, DetailsForm):
    purpose = forms.ChoiceField(
        label="Type",
        choices=[
            (
                Purpose.WEB,
                "Web application. Runs on a server and acts for people who authorize it.",
            ),
            (
                Purpose.NATIVE,
                (
                    "Desktop, mobile or browser application. "
                    "Cannot keep a secret and acts for people who authorize it."
                ),
            ),
            (Purpose.SERVICE, "Service. Acts for the organization, without a user."),
        ],
        initial=Purpose.WEB,
        widget=forms.RadioSelect,
    )
    environment = forms.ChoiceField(
        choices=Environment.choices,
        initial=Environment.LIVE,
        widget=forms.RadioSelect,
        help_text="Tokens of a test application see and write test data only.",
    )
    field_order = (
        "name", "purpose", "redirect_uris", "without_pkce", "scopes", "environment", "nonce",
    )  # fmt: skip

    def clean(self) -> None:
        super().clean()
        chosen = self.cleaned_data.get("purpose")
        self.check_addresses(Purpose(chosen) if chosen else None)
        if self.cleaned_data.get("without_pkce") and chosen != Purpose.WEB:
            self.add_error("without_pkce", PkceRequired.detail)

    def draft(self) -> Draft:
        return Draft(
            name=self.cleaned_data["name"],
            purpose=Purpose(self.cleaned_data["purpose"]),
            scopes=self.cleaned_data["scopes"],
            redirect_uris=self.cleaned_data["redirect_uris"],
            environment=Environment(self.cleaned_data["environment"]),
            without_pkce=self.cleaned_data["without_pkce"],
            idempotency_key=self.cleaned_data["idempotency_key"],
        )


class EditApplicationForm(DetailsForm):
    field_order = ("name", "redirect_uris", "without_pkce", "scopes")

    def __init__(self, data: Mapping[str, Any] | None, *, application: Application) -> None:
        self.application = application
        initial = {
            "name": application.name,
            "scopes": sorted(registry.canonical_all(application.scopes)),
            "redirect_uris": "\n".join(application.addresses),
            "without_pkce": not application.requires_pkce,
        }
        super().__init__(data, initial=initial)
        if not application.is_for_people:
            del self.fields["redirect_uris"]
        if application.purpose is not Purpose.WEB:
            del self.fields["without_pkce"]

    def clean(self) -> None:
        if self.application.is_for_people:
            self.check_addresses(self.application.purpose)


class DeleteApplicationForm(forms.Form):
    """Requires typing the application's name, because deleting it cannot be undone."""

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
            raise forms.ValidationError("This does not match the application's name.")
        return name
