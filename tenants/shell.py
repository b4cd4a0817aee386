"""The page shell: the current organization, the organization switcher and the navigation."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

import config
from tenants import conf
from tenants.access import Access, Reach
from tenants.decorators import LAST_ORGANIZATION
from tenants.models import Organization
from tenants.roles import Permission


@dataclass(frozen=True, slots=True)
class SettingsTab:
    """A page of an organization's settings. Its route is `settings_` and its name."""

    name: str
    label: str
    permission: Permission

    @property
    def route(self) -> str:
        return f"settings_{self.name}"


SETTINGS = (
    SettingsTab("general", "General", Permission.READ_ACTIVITY),
    SettingsTab("api_keys", "API Keys", Permission.READ_ACTIVITY),
    SettingsTab("key_rules", "Key rules", Permission.READ_MEMBERS),
    SettingsTab("notifications", "Notifications", Permission.MANAGE_NOTIFICATIONS),
)


@dataclass(frozen=True)
class Shell:
    access: Access | None
    places: list[Access]
    sees_tenants: bool
    is_staff: bool

    def may(self, permission: Permission) -> bool:
        return bool(self.access and self.access.may(permission))

    @property
    def sees_activity(self) -> bool:
        return self.may(Permission.READ_ACTIVITY)

    @property
    def sees_agents(self) -> bool:
        return self.may(Permission.READ_AGENTS)

    @property
    def manages_agents(self) -> bool:
        return self.may(Permission.MANAGE_AGENTS)

    @property
    def sees_trail(self) -> bool:
        return self.may(Permission.READ_TRAIL)

    @property
    def manages_applications(self) -> bool:
        return self.may(Permission.MANAGE_APPLICATIONS)

    @property
    def manages_single_sign_on(self) -> bool:
        return self.may(Permission.MANAGE_SINGLE_SIGN_ON)

    @property
    def settings_tabs(self) -> list[SettingsTab]:
        return [tab for tab in SETTINGS if self.may(tab.permission)]

    @property
    def sees_members(self) -> bool:
        return self.may(Permission.READ_MEMBERS)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor. Lazy, so that a page without the shell runs no queries for it."""
    return {
        "shell": SimpleLazyObject(lambda: _build(request)),
        "keyway_version": config.__version__,
        "sign_up_is_open": conf.sign_up_is_open(),
    }


def _build(request: HttpRequest) -> Shell | None:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    reach = getattr(request, "reach", None) or Reach.of(user)
    places = list(reach.places.values())
    here = getattr(request, "access", None) or _last(request, reach)
    sees_tenants = bool(reach.staff) or any(place.may(Permission.READ_AGENTS) for place in places)
    return Shell(here, places, sees_tenants, bool(reach.staff))


def _last(request: HttpRequest, reach: Reach) -> Access | None:
    """Return the organization opened last, or else the first one of the user."""
    slug = str(request.session.get(LAST_ORGANIZATION, ""))
    places = list(reach.places.values())
    if found := [place for place in places if place.organization.slug == slug]:
        return found[0]
    wide = reach.into(Organization.objects.filter(slug=slug)) if reach.staff and slug else []
    return next(iter([*wide, *places]), None)
