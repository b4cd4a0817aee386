"""Forms for profiles, members and agent configuration."""

import re
import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from config.lib.text import is_visible
from tenants.models import NAME_LENGTH, AgentConfiguration, Theme, User
from tenants.roles import Role

ACTION_ID = re.compile(r"[A-Za-z0-9_ -]{1,16}\Z", re.ASCII)
PATTERN_LENGTH = 256
LINES = 200

# The actions that auditors usually want, named as in SQL Server's sys.dm_audit_actions. Users can
# type any other action id.
COMMON_ACTIONS: dict[str, dict[str, str]] = {
    "Data": {"SL": "SELECT", "IN": "INSERT", "UP": "UPDATE", "DL": "DELETE", "EX": "EXECUTE"},
    "Sign-in": {
        "LGIS": "LOGIN SUCCEEDED",
        "LGIF": "LOGIN FAILED",
        "LGO": "LOGOUT",
        "IMP": "IMPERSONATE",
    },
    "Objects": {"CR": "CREATE", "AL": "ALTER", "DR": "DROP", "TO": "TAKE OWNERSHIP"},
    "Permissions": {
        "G": "GRANT",
        "R": "REVOKE",
        "D": "DENY",
        "APRL": "ADD MEMBER",
        "DPRL": "DROP MEMBER",
        "PWC": "CHANGE PASSWORD",
    },
    "Server": {
        "BA": "BACKUP",
        "RS": "RESTORE",
        "ALST": "ALTER SETTINGS",
        "AUSC": "AUDIT SESSION CHANGED",
    },
}


class LineField(forms.CharField):
    """A single visible line: no control, zero-width or bidirectional formatting characters.

    Such characters let a name imitate another one or garble the text around it.
    """

    def validate(self, value: str) -> None:
        super().validate(value)
        if not is_visible(value):
            raise forms.ValidationError(
                "Remove invisible and control characters.", code="invisible"
            )


# The label of the model's choice is part of its migration, so the page has its own.
THEMES = [
    (value, "Use system setting" if value == Theme.SYSTEM else label)
    for value, label in Theme.choices
]


class ProfileForm(forms.ModelForm[User]):
    name = LineField(max_length=255, required=False, help_text="Shown to the people you work with.")
    time_zone = forms.ChoiceField(
        help_text="Used to show times, and to decide when the day ends on which a key expires."
    )
    theme = forms.ChoiceField(label="Appearance", choices=THEMES, widget=forms.RadioSelect)

    class Meta:
        model = User
        fields = ("name", "time_zone", "theme")

    def __init__(self, data: Mapping[str, Any] | None, *, instance: User) -> None:
        super().__init__(data, instance=instance)
        field = self.fields["time_zone"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared above
        field.choices = [(name, name.replace("_", " ")) for name in time_zones()]


def time_zones() -> list[str]:
    places = sorted(
        name
        for name in zoneinfo.available_timezones()
        if "/" in name and not name.startswith("Etc/")
    )
    return ["UTC", *places]


class RoleForm(forms.Form):
    """`roles` are the roles that the current user may assign."""

    role = forms.ChoiceField(choices=Role.choices, widget=forms.RadioSelect)

    def __init__(
        self, data: Mapping[str, Any] | None, *, roles: Sequence[Role], initial: Role
    ) -> None:
        super().__init__(data, initial={"role": initial})
        field = self.fields["role"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared above
        field.choices = [(role.value, role.label) for role in roles]


class MemberForm(RoleForm):
    email = forms.EmailField(label="Email address", max_length=254)
    field_order = ("email", "role")

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if not is_visible(email):
            raise forms.ValidationError(
                "Remove invisible and control characters.", code="invisible"
            )
        return email


class OrganizationNameForm(forms.Form):
    name = LineField(max_length=NAME_LENGTH, help_text="Shown to its members.")


class LinesField(forms.CharField):
    """Several values, one per line. Cleans to a list without blanks and duplicates."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = (line.strip() for line in (super().to_python(value) or "").splitlines())
        return list(dict.fromkeys(line for line in lines if line))

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) > LINES:
            raise forms.ValidationError(f"Enter at most {LINES} lines.")
        for number, line in enumerate(value, start=1):
            if reason := self.flaw(line):
                raise forms.ValidationError(f"Line {number}: {reason}")

    def run_validators(self, value: Any) -> None:
        """Skip CharField's validators, which expect text. validate() checks each line instead."""

    def flaw(self, line: str) -> str:
        """Return what is wrong with a line, or "" if it is valid."""
        return "" if is_visible(line) else "remove invisible and control characters."


class PatternsField(LinesField):
    """Patterns of the form ``database.schema.object``; each part may contain ``*`` and ``?``."""

    def flaw(self, line: str) -> str:
        if len(line) > PATTERN_LENGTH:
            return f"a pattern has at most {PATTERN_LENGTH} characters."
        parts = line.split(".")
        if len(parts) != 3 or not all(part.strip() for part in parts):
            return "use database.schema.object, for example *.hr.* or sales.dbo.orders."
        return super().flaw(line)


class ActionsField(LinesField):
    """Action ids, converted to upper case because agents compare them exactly."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(str(value or "").upper())

    def flaw(self, line: str) -> str:
        if ACTION_ID.match(line):
            return ""
        return "an action id has 1 to 16 letters, digits or underscores, for example BA."


class ConfigurationForm(forms.Form):
    """`version` is the version being edited. Saving is refused if a newer one exists."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1)
    heartbeat_interval_seconds = forms.IntegerField(
        label="Heartbeat interval, in seconds",
        min_value=5,
        max_value=3600,
        help_text="From 5 seconds to 1 hour. An agent is late after two missed heartbeats.",
        error_messages={
            "min_value": "Enter at least 5 seconds.",
            "max_value": "Enter at most 3600 seconds.",
        },
    )
    batch_size = forms.IntegerField(
        min_value=1,
        max_value=10_000,
        help_text="The most events an agent sends in one batch, from 1 to 10,000.",
        error_messages={
            "min_value": "Enter at least 1 event.",
            "max_value": "Enter at most 10,000 events.",
        },
    )
    common_actions = forms.MultipleChoiceField(required=False, label="Actions to collect")
    other_actions = ActionsField(
        required=False,
        help_text="Action ids that are not in the list, one per line, for example VACUUM.",
    )
    include_objects = PatternsField(
        required=False,
        help_text="Patterns of database.schema.object, one per line. Leave empty for everything.",
    )
    exclude_objects = PatternsField(
        required=False,
        help_text="Patterns of database.schema.object, one per line. Exclusions take precedence.",
    )

    def __init__(self, data: Mapping[str, Any] | None, *, current: AgentConfiguration) -> None:
        common = {
            action: name for group in COMMON_ACTIONS.values() for action, name in group.items()
        }
        super().__init__(
            data,
            initial={
                "version": current.version,
                "heartbeat_interval_seconds": current.heartbeat_interval_seconds,
                "batch_size": current.batch_size,
                "common_actions": [action for action in current.actions if action in common],
                "other_actions": [action for action in current.actions if action not in common],
                "include_objects": current.include_objects,
                "exclude_objects": current.exclude_objects,
            },
        )
        field = self.fields["common_actions"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared above
        field.choices = list(common.items())

    def changes(self) -> dict[str, Any]:
        """Return the values to save, keyed by model field. Call only if the form is valid."""
        names = ("heartbeat_interval_seconds", "batch_size", "include_objects", "exclude_objects")
        actions = dict.fromkeys(
            [*self.cleaned_data["common_actions"], *self.cleaned_data["other_actions"]]
        )
        return {name: self.cleaned_data[name] for name in names} | {"actions": list(actions)}
