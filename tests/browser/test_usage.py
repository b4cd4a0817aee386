"""The usage page counts exactly the requests that a script sent."""

from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server
DRAINED_MS = 60_000


def new_key(server: KeywayServer, owner: str) -> tuple[str, str]:
    """The id and the secret of a new public key."""
    user = server.user(owner)
    login = {"email": user["email"], "password": user["password"]}
    token = requests.post(f"{server.url}/api/v1/auth/login", json=login, timeout=30)
    made = requests.post(
        f"{server.url}/api/v1/api-keys",
        json={"name": "Script", "scopes": ["read:audit-activity"]},
        headers={"Authorization": f"Bearer {token.json()['access_token']}"},
        timeout=30,
    ).json()
    return made["id"], made["key"]


def send(server: KeywayServer, secret: str, times: int) -> None:
    with requests.Session() as session:
        for _ in range(times):
            assert (
                session.get(
                    f"{server.url}/api/v1/whoami", headers={"X-API-Key": secret}, timeout=30
                ).status_code
                == 200
            )


def reload_until(page: Page, holds: Callable[[], bool]) -> None:
    """Reload until `holds`. Recorded requests are drained within about a second."""
    for _ in range(DRAINED_MS // 500):
        page.reload()
        if holds():
            return
        page.wait_for_timeout(500)
    raise AssertionError(page.inner_text("main"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_a_script_sends_is_seen_on_the_page_of_its_key(
    visit: Visit, server: KeywayServer, theme: str
) -> None:
    visitor = visit("mallory", theme=theme)
    # A key of its own: the demo's have a past, which leaves the range when an hour ends.
    key_id, secret = new_key(server, "mallory")
    page = visitor.page
    page.goto(f"/keys/{key_id}/usage/?range=24h")
    send(server, secret, 25)
    reload_until(page, lambda: page.locator(".stat-value").nth(2).inner_text() == "25")
    expect(page.get_by_role("img", name="Requests with")).to_have_accessible_description(
        "25 requests: 25 successful, 0 errors, 0 denied. The table below has every figure."
    )
    page.get_by_text("Show data as a table").click()
    assert visitor.violations() == []
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert sum(int(line.split(",")[1]) for line in lines[1:]) == 25
    page.goto("/profile/")
    row = page.get_by_role("row").filter(has=page.locator(f"[href*='{key_id}/usage']"))
    expect(row.get_by_role("img", name="25 requests in 30 days, most on")).to_be_visible()
    assert visitor.violations() == []
    page.set_viewport_size({"width": 390, "height": 844})
    expect(row.get_by_role("img", name="requests in 30 days")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_ranges_change_inside_the_dialog(visit: Visit) -> None:
    visitor = visit("alice")
    page = visitor.page
    page.goto("/o/acme/agents/")
    page.goto("/administration/tenant-agents/")
    page.get_by_label("Actions for Acme").click()
    page.get_by_role("link", name="Manage API Keys").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name="View Activity of Production SQL 01 Agent").click()
    dialog.get_by_role("link", name="30 days").click()
    expect(dialog.get_by_role("link", name="30 days")).to_have_attribute("aria-current", "page")
    expect(dialog.get_by_text("Daily, UTC").first).to_be_visible()
    assert visitor.violations() == []
    dialog.get_by_role("link", name="Back to API keys").click()
    expect(dialog.get_by_role("link", name="Create Key")).to_be_visible()


def test_the_page_fits_a_phone_and_needs_no_javascript(visit: Visit, server: KeywayServer) -> None:
    visitor = visit("bob", viewport={"width": 390, "height": 844}, javascript=False)
    page = visitor.page
    page.goto("/profile/")
    page.get_by_role("link", name="View Activity of Audit Export Script").click()
    page.get_by_role("link", name="90 days").click()
    expect(page.get_by_role("heading", name="Latest requests")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
