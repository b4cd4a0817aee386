"""The forms that create keys."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from apikeys import scopes
from apikeys.kind import Kind
from apikeys.models import Key, KeyQuerySet
from apikeys.scopes import PRESETS, READ, Preset, Scope
from apikeys.services import Order
from apikeys.views.forms import (
    DESCRIPTION_LENGTH,
    LATEST_EXPIRY,
    NAME_LENGTH,
    DateInput,
    NonceForm,
    end_of,
)
from apikeys.views.key_edit_form import NetworksField
from config.lib.environment import Environment
from tenants.access import Access
from tenants.forms import LineField
from tenants.models import User
from tenants.roles import Permission

EXPIRIES = (30, 60, 90, 180, 365)
DEFAULT_EXPIRY = "90"
NEVER, CUSTOM = "never", "custom"
ME, ORGANIZATION = "me", "organization"
NAME_IN_USE = (
    "An active key already has this name. Choose another name, or submit again to use it twice."
)


class NewKeyForm(NonceForm):
    """The fields of every new key. `again` holds a name that the user chose to use twice."""

    name = LineField(
        label="Label", max_length=NAME_LENGTH, error_messages={"required": "Enter a label."}
    )
    again = forms.CharField(required=False, widget=forms.HiddenInput)
    environment = forms.ChoiceField(
        choices=Environment.choices,
        initial=Environment.LIVE,
        widget=forms.RadioSelect,
        help_text="A test key sees and writes test data only.",
    )
    expires = forms.ChoiceField(
        label="Expiration",
        choices=[
            (NEVER, "Never expires"),
            *((str(n), f"{n} days{' (recommended)' if n == 90 else ''}") for n in EXPIRIES),
            (CUSTOM, "On a date"),
        ],
        initial=DEFAULT_EXPIRY,
    )
    expires_on = forms.DateField(
        label="Expiry date",
        required=False,
        widget=DateInput,
        error_messages={"invalid": "Enter a date such as 2027-01-31."},
    )

    def __init__(self, data: Mapping[str, Any] | None, *, user: User, now: datetime) -> None:
        self.now, self.today = now, timezone.localdate(now)
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

    def clean(self) -> None:
        super().clean()
        missing = not self.cleaned_data.get("expires_on") and "expires_on" not in self.errors
        if self.cleaned_data.get("expires") == CUSTOM and missing:
            self.add_error("expires_on", "Choose an expiry date.")
        if not self.errors and self._is_in_use(self.cleaned_data["name"]):
            self.add_error("name", NAME_IN_USE)

    def _is_in_use(self, name: str) -> bool:
        # The key that this very form issued does not count: submitting it again is no duplicate.
        twins = self.siblings().usable(self.now).filter(name=name)
        twins = twins.exclude(idempotency_key=self.idempotency_key)
        return self.cleaned_data["again"] != name and twins.exists()

    def siblings(self) -> KeyQuerySet:
        """The keys among which the new key's name should be the only one."""
        raise NotImplementedError

    @property
    def name_in_use(self) -> str:
        """The name to use twice, if the form is submitted again with it."""
        is_refused = NAME_IN_USE in self.errors.get("name", ())
        return str(self.data.get("name", "")).strip() if is_refused else ""

    def expires_at(self) -> datetime | None:
        chosen: str = self.cleaned_data["expires"]
        if chosen == NEVER:
            return None
        if chosen == CUSTOM:
            return end_of(self.cleaned_data["expires_on"])
        return end_of(self.today + timedelta(days=int(chosen)))

    def order(self) -> Order:
        return Order(
            name=self.cleaned_data["name"],
            description=self.cleaned_data.get("description", ""),
            environment=Environment(self.cleaned_data["environment"]),
            expires_at=self.expires_at(),
            allowed=self.cleaned_data.get("networks", ()),
            idempotency_key=self.idempotency_key,
        )


class AgentKeyForm(NewKeyForm):
    """A form without `expires` takes the date alone: none means that the key never expires."""

    field_order = ("name", "expires", "expires_on", "environment", "nonce")

    def __init__(self, data: Mapping[str, Any] | None, *, access: Access, now: datetime) -> None:
        self.access = access
        super().__init__(data, user=access.user, now=now)
        self.fields["name"].help_text = "Where it is used, for example Production SQL 01 Agent."
        self.fields["expires"].required = False
        self.initial["expires"] = NEVER

    def clean_expires(self) -> str:
        chosen: str = self.cleaned_data["expires"]
        return chosen or (CUSTOM if self.data.get("expires_on") else NEVER)

    def siblings(self) -> KeyQuerySet:
        return Key.objects.for_organization(self.access.organization).of_kind(Kind.AGENT)


class PublicKeyForm(NewKeyForm):
    """`places` are the organizations where the user may create keys. With one, nothing to choose.

    `owner` is whose the key is, if the user may create keys of the organization.
    """

    organization = forms.ChoiceField()
    owner = forms.ChoiceField(
        choices=[(ORGANIZATION, "The organization"), (ME, "Me")],
        required=False,
        widget=forms.RadioSelect,
        help_text="A key of the organization keeps working when the person who created it leaves.",
    )
    description = LineField(max_length=DESCRIPTION_LENGTH, required=False)
    scopes = forms.MultipleChoiceField(
        label="Permission scopes",
        initial=READ.scopes,
        error_messages={
            "required": "Choose at least one scope. A key without scopes can do nothing."
        },
    )
    networks = NetworksField(
        required=False,
        help_text="One per line, such as 192.0.2.0/24 or 2001:db8::/32. Leave empty to allow any.",
    )
    field_order = (
        "organization",
        "name",
        "description",
        "expires",
        "expires_on",
        "owner",
        "scopes",
        "environment",
        "networks",
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
        owner: str = ME,
    ) -> None:
        self.places = {place.organization.slug: place for place in places}
        super().__init__(data, user=user, now=now)
        self.fields[
            "name"
        ].help_text = "Where it is used, for example SIEM Integration or Audit Export Script."
        self.initial["owner"] = owner
        self._choices("scopes", [(scope.name, scope.title) for scope in self.offered])
        self._choices(
            "organization", [(slug, place.organization.name) for slug, place in self.places.items()]
        )
        if preferred in self.places:
            self.initial["organization"] = preferred
        if len(self.places) == 1:
            del self.fields["organization"]
        if not any(place.may(Permission.ISSUE_ORGANIZATION_KEYS) for place in places):
            del self.fields["owner"]

    def name_it(self, label: str) -> None:
        """Use the word of the page for the key's name."""
        field = self.fields["name"]
        field.label, field.error_messages["required"] = label, f"Enter a {label.lower()}."

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

    @property
    def groups(self) -> list[tuple[str, list[Scope]]]:
        """The offered scopes that can be granted: Keyway's, then those of other services."""
        granted = [scope for scope in self.offered if scope.is_grantable]
        return [
            ("Keyway", [scope for scope in granted if not scope.is_verify_only]),
            ("Your services, through the verify API", [s for s in granted if s.is_verify_only]),
        ]

    @property
    def coming(self) -> list[Scope]:
        return [scope for scope in self.offered if not scope.is_grantable]

    @property
    def presets(self) -> list[Preset]:
        names = {scope.name for scope in self.offered if scope.is_grantable}
        return [preset for preset in PRESETS if names.issuperset(preset.scopes)]

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  as declared above, for mypy
        field.choices = choices

    def clean_owner(self) -> str:
        return str(self.cleaned_data["owner"] or self.initial["owner"])

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
        if self.errors or not self.is_organizations:
            return
        if not self.place.may(Permission.ISSUE_ORGANIZATION_KEYS):
            self.add_error("owner", f"Only admins create keys of {self.place.organization}.")
        if beyond := set(self.cleaned_data["scopes"]) - scopes.of_organization():
            titles = ", ".join(scopes.titles(sorted(beyond)))
            self.add_error("scopes", f"{titles}: not available to keys of the organization.")

    def siblings(self) -> KeyQuerySet:
        here = Key.objects.for_organization(self.place.organization)
        if self.is_organizations:
            return here.of_organization()
        return here.for_owner(self.user)

    @property
    def is_organizations(self) -> bool:
        return self.cleaned_data.get("owner") == ORGANIZATION

    @property
    def place(self) -> Access:
        slug = self.cleaned_data.get("organization") or next(iter(self.places))
        return self.places[slug]
