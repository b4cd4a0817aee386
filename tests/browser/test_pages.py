"""Every page in both themes and widths: no axe violation, CSP error or sideways scroll."""

import pytest

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.server

PAGES = {
    "alice": (
        "/o/acme/ /o/acme/activity/ /o/acme/activity/?q=no-such-thing /o/acme/audit-log/ "
        "/o/acme/key-requests/ /o/acme/settings/key-rules/ "
        "/o/acme/agents/ /o/acme/members/ /o/acme/members/add/ /o/acme/agents/configuration/ "
        "/o/acme/settings/ /o/acme/settings/api-keys/ /o/acme/settings/api-keys/?q=nothing "
        "/o/acme/settings/api-keys/new/ "
        "/o/acme/agents/api-keys/ /o/acme/agents/api-keys/?status=all "
        "/o/acme/agents/api-keys/new/ /o/acme/applications/ /o/acme/applications/new/ "
        "/o/acme/settings/notifications/ /o/acme/settings/webhooks/new/ /profile/notifications/ "
        "/administration/tenant-agents/ /profile/ /profile/?status=all /profile/api-keys/new/ "
        "/accounts/password/change/ /accounts/2fa/ /accounts/2fa/totp/activate/ "
        "/accounts/sessions/ /accounts/reauthenticate/ "
        "/accounts/logout/ /docs/errors/ /o/nowhere/ /admin/"
    ),
    "bob": "/profile/ /o/acme/audit-log/ /o/acme/settings/ /o/acme/settings/api-keys/",
    "staff": "/administration/organizations/ /administration/organizations/?q=no-such-thing "
    "/administration/organizations/new/ /administration/organizations/acme/rename/ "
    "/administration/organizations/acme/suspend/ /administration/tenant-agents/ "
    "/admin/ /admin/apikeys/key/",
    "": "/accounts/login/ /accounts/password/reset/ /accounts/signup/ /accounts/sso/ /docs/errors/",
}
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.mark.parametrize("who", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_at(visit: Visit, who: str, theme: str) -> None:
    visitor = visit(who, theme=theme, viewport=DESKTOP)
    found = {}
    for path in PAGES[who].split():
        if not path.startswith("/admin/"):  # Django's own pages
            visitor.page.goto(path)
            if violations := visitor.violations():
                found[path] = violations
    assert found == {}


@pytest.mark.parametrize("who", PAGES)
def test_no_page_scrolls_sideways_on_a_phone(visit: Visit, who: str) -> None:
    visitor = visit(who, viewport=PHONE)
    wide = []
    for path in PAGES[who].split():
        visitor.page.goto(path)
        if not path.startswith("/admin/") and width(visitor) > PHONE["width"]:
            wide.append(path)
    assert wide == []


def width(visitor: Visitor) -> int:
    return int(visitor.page.evaluate("document.documentElement.scrollWidth"))


def test_the_api_reference_renders_under_the_policy(visit: Visit) -> None:
    visitor = visit()
    visitor.page.goto("/docs/api/")
    visitor.page.get_by_text("/api/v1/whoami").first.wait_for()


def test_the_dialogs_pass_axe_too(visit: Visit) -> None:
    visitor = visit("alice")
    page = visitor.page
    page.goto("/administration/tenant-agents/")
    page.get_by_label("Actions for Acme").click()
    assert visitor.violations() == []
    page.get_by_role("link", name="Manage API Keys").click()
    page.get_by_role("dialog").get_by_role("link", name="Create Key").wait_for()
    assert visitor.violations() == []
    page.get_by_role("link", name="Create Key").click()
    page.get_by_label("Label").fill("Axe")
    page.get_by_role("button", name="Create").click()
    page.locator("input[data-secret]").wait_for()
    assert visitor.violations() == []
    page.get_by_label("I have saved this key").check()
    page.get_by_role("button", name="Done").click()
