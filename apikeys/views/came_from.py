"""The page a user came from, named in ``?next=``, to return to after an action."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from apikeys.models import Key

# Only pages that list or show keys. A page that acts is no place to return to.
_LABELS = {
    "key": "Back to the key",
    "profile": "Back to API keys",
    "agent_keys": "Back to API keys",
    "settings_api_keys": "Back to API keys",
    "agents": "Back to agents",
    "organization_overview": "Back to overview",
}
_FRAGMENTS = {"profile": "#api-keys"}


@dataclass(frozen=True, slots=True)
class ReturnPage:
    """A page of Keyway by its address and the name of its route."""

    url: str
    route: str

    @property
    def label(self) -> str:
        return _LABELS[self.route]

    @property
    def list_url(self) -> str:
        """The address with the fragment of its list. Messages are shown above the list."""
        return self.url + _FRAGMENTS.get(self.route, "")

    @property
    def is_dialog(self) -> bool:
        """Whether the page is the API Key Management dialog, which loads its links inside."""
        return self.route == "agent_keys"


def came_from(request: HttpRequest, *, default: ReturnPage) -> ReturnPage:
    """Return the page that ``next`` names, or `default` if it names none of ours."""
    return _ours(request.GET.get("next", "")) or default


def return_page(request: HttpRequest, key: Key) -> ReturnPage:
    """Return the page that the user came from, or else the key's own."""
    return came_from(request, default=ReturnPage(reverse("key", args=[key.pk]), "key"))


def _ours(address: str) -> ReturnPage | None:
    # Browsers read "//host", "/\host" and "https:host" as addresses of other sites.
    if not url_has_allowed_host_and_scheme(address, allowed_hosts=None):
        return None
    parts = urlsplit(address)
    try:
        route = resolve(parts.path).url_name or ""
    except Resolver404:
        return None
    # Built from the parts that were checked: urlsplit() drops the tabs and newlines in `address`.
    url = parts._replace(scheme="", netloc="", fragment="").geturl()
    return ReturnPage(url, route) if route in _LABELS else None
