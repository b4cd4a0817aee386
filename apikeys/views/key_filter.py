"""The search and filters above a list of keys."""

from collections.abc import Mapping, Sequence

from django import forms
from django.db.models import Q
from django.utils.functional import cached_property

from apikeys.kind import Kind
from apikeys.models import Key
from apikeys.services.search import KeyFilter
from config.lib.environment import Environment
from config.lib.ids import decode
from tenants.forms import LineField
from tenants.models import Organization, User

QUERY_LENGTH = 255
MOST_OWNERS = 100
ORGANIZATION = "organization"


class KeyFilterForm(forms.Form):
    """`owners` are offered as value and label. A list of one owner's keys has none to offer."""

    q = LineField(
        label="Search",
        required=False,
        max_length=QUERY_LENGTH,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name, key or key ID"}),
    )
    kind = forms.ChoiceField(required=False, choices=[("", "Any kind"), *Kind.choices])
    owner = forms.ChoiceField(required=False)
    environment = forms.ChoiceField(
        required=False, choices=[("", "Live and test"), *Environment.choices]
    )
    unused = forms.BooleanField(label="Unused for 90+ days", required=False)
    endless = forms.BooleanField(label="No expiry", required=False)

    def __init__(self, query: Mapping[str, str], *, owners: Sequence[tuple[str, str]] = ()) -> None:
        # Prefixed ids: Profile has another form, which also has a name and an owner.
        super().__init__(query, auto_id="filter_%s")
        if not owners:
            del self.fields["kind"], self.fields["owner"]
            return
        field = self.fields["owner"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared above
        field.choices = [("", "Any owner"), *owners]

    @cached_property
    def wanted(self) -> KeyFilter:
        """The valid filters. An invalid one is shown with its error and does not filter."""
        self.is_valid()
        data, owner = self.cleaned_data, self.cleaned_data.get("owner", "")
        is_person = owner not in ("", ORGANIZATION)
        return KeyFilter(
            kind=data.get("kind", ""),
            environment=data.get("environment", ""),
            owner=decode("usr", owner) if is_person else None,
            is_organizations=owner == ORGANIZATION,
            is_unused=data.get("unused", False),
            never_expires=data.get("endless", False),
            q=data.get("q", ""),
        )

    @property
    def is_filtering(self) -> bool:
        return self.wanted != KeyFilter()

    @property
    def is_narrow(self) -> bool:
        """Whether a filter behind the disclosure is set."""
        wanted = self.wanted
        return wanted != KeyFilter(q=wanted.q) or bool(set(self.errors) - {"q"})


def owners_in(organization: Organization, chosen: str) -> list[tuple[str, str]]:
    """Offer the organization and its first owners of keys by name, and always the chosen one."""
    holders = Key.objects.filter(organization=organization, owner__isnull=False)
    found = User.objects.filter(pk__in=holders.values("owner__user")).order_by("name", "email")
    people = list(found[:MOST_OWNERS])
    if chosen and chosen not in {person.public_id for person in people}:
        people += found.filter(_is(chosen))
    offered = [(person.public_id, _label(person)) for person in people]
    return [(ORGANIZATION, f"{organization} (the organization)"), *offered]


def _is(public_id: str) -> Q:
    try:
        return Q(pk=decode("usr", public_id))
    except ValueError:
        return Q(pk__in=[])


def _label(person: User) -> str:
    return f"{person.name} ({person.email})" if person.name else person.email
