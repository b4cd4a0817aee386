"""Forms for notifications and webhooks."""

from collections.abc import Mapping
from typing import Any

from django import forms

from apikeys.notices import preferences
from apikeys.notices.causes import FOR_ADMINS, FOR_WEBHOOKS, Choice
from apikeys.notices.errors import WebhookUrlRefused
from apikeys.notices.models import OrganizationNotifications, Webhook
from apikeys.notices.webhooks import check_url
from apikeys.views.forms import NonceForm
from audit.outbox.destinations import LONGEST_URL
from tenants.forms import LineField
from tenants.models import Membership

EVERYONE, CHOSEN = "everyone", "chosen"


class AdminsForm(forms.Form):
    """What an organization's admins get by email, and which of them."""

    causes = forms.MultipleChoiceField(
        label="Email admins when",
        required=False,
        choices=[(each.name, each.title) for each in FOR_ADMINS],
        widget=forms.CheckboxSelectMultiple,
    )
    to = forms.ChoiceField(
        label="Send to",
        choices=[(EVERYONE, "All owners and admins"), (CHOSEN, "Only the people selected below")],
        widget=forms.RadioSelect,
    )
    recipients = forms.MultipleChoiceField(
        label="People", required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        chosen: OrganizationNotifications,
        managers: list[Membership],
    ) -> None:
        initial = {
            "causes": chosen.causes,
            "to": CHOSEN if chosen.recipients else EVERYONE,
            "recipients": chosen.recipients,
        }
        super().__init__(data, initial=initial)
        field = self.fields["recipients"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  as declared above, for mypy
        field.choices = [(str(each.pk), _named(each)) for each in managers]

    def clean(self) -> None:
        if self.cleaned_data.get("to") == CHOSEN and not self.cleaned_data.get("recipients"):
            self.add_error("recipients", "Select at least one person.")

    @property
    def chosen_recipients(self) -> list[str]:
        is_chosen = self.cleaned_data["to"] == CHOSEN
        return list(self.cleaned_data["recipients"]) if is_chosen else []


def _named(membership: Membership) -> str:
    user = membership.user
    return f"{user.name} ({user.email})" if user.name else user.email


class PersonForm(forms.Form):
    """What a person gets by email."""

    causes = forms.MultipleChoiceField(
        label="Email me about", required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(
        self, data: Mapping[str, Any] | None, *, chosen: Mapping[str, bool], manages: bool
    ) -> None:
        self.offered: tuple[Choice, ...] = preferences.choices_for(manages=manages)
        super().__init__(data, initial={"causes": [name for name in chosen if chosen[name]]})
        field = self.fields["causes"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  as declared above, for mypy
        field.choices = [(each.name, each.title) for each in self.offered]

    def choices(self) -> dict[str, bool]:
        on = set(self.cleaned_data["causes"])
        return {each.name: each.name in on for each in self.offered}


class WebhookForm(forms.Form):
    """The fields of a webhook that can be edited."""

    url = LineField(
        label="URL",
        max_length=LONGEST_URL,
        widget=forms.URLInput({"placeholder": "https://example.com/webhooks"}),
        error_messages={"required": "Enter a URL."},
    )
    causes = forms.MultipleChoiceField(
        label="Send when",
        choices=[(cause.value, cause.label) for cause in FOR_WEBHOOKS],
        initial=[cause.value for cause in FOR_WEBHOOKS],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Select at least one event."},
    )

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            check_url(url)
        except WebhookUrlRefused as error:
            raise forms.ValidationError(error.detail) from error
        return url


class NewWebhookForm(NonceForm, WebhookForm):
    field_order = ("url", "causes", "nonce")


class EditWebhookForm(WebhookForm):
    def __init__(self, data: Mapping[str, Any] | None, *, webhook: Webhook) -> None:
        super().__init__(data, initial={"url": webhook.url, "causes": webhook.causes})
