"""The page of a key, and its actions as pages and as dialogs."""

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.test_pages import DESKTOP, PHONE, width
from tests.browser.test_usage import new_key
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server


@pytest.fixture
def key_id(server: KeywayServer) -> str:
    """A key of mallory's, who has few others."""
    return new_key(server, "mallory")[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_and_its_dialogs_pass_axe(visit: Visit, key_id: str, theme: str) -> None:
    visitor = visit("mallory", theme=theme, viewport=DESKTOP)
    page = visitor.page
    for path in ("", "edit/", "revoke/", "usage/"):
        page.goto(f"/keys/{key_id}/{path}")
        assert visitor.violations() == [], path
    page.goto(f"/keys/{key_id}/")
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("dialog").get_by_label("Held by").wait_for()
    assert visitor.violations() == []


def test_the_page_fits_a_phone_whatever_the_label(visit: Visit, server: KeywayServer) -> None:
    user = server.user("mallory")
    login = {"email": user["email"], "password": user["password"]}
    token = requests.post(f"{server.url}/api/v1/auth/login", json=login, timeout=30).json()
    long = {"name": "x" * 255, "description": "y" * 500, "held_by": "z" * 255}
    made = requests.post(
        f"{server.url}/api/v1/api-keys",
        json={"scopes": ["read:audit-activity"], **long},
        headers={"Authorization": f"Bearer {token['access_token']}"},
        timeout=30,
    ).json()
    page = (visitor := visit("mallory", viewport=PHONE)).page
    for path in ("", "edit/", "usage/"):
        page.goto(f"/keys/{made['id']}/{path}")
        assert width(visitor) <= PHONE["width"], path
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    for path in (f"/keys/{made['id']}/", "/profile/"):
        page.goto(path)
        assert width(visitor) <= DESKTOP["width"], path


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
def test_an_owner_edits_pauses_and_revokes(visit: Visit, key_id: str, javascript: bool) -> None:
    page = visit("mallory", javascript=javascript, viewport=DESKTOP).page
    page.goto("/profile/?sort=name")
    page.get_by_role("row").filter(has=page.locator(f"[href*='{key_id}/usage']")).get_by_role(
        "link", name="Script", exact=True
    ).click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Networks").fill("192.0.2.0/24\nhome")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Line 2 is not a network").first).to_be_visible()
    page.get_by_label("Networks").fill("192.0.2.0/24")
    page.get_by_label("Held by").fill("Vault, ci/export")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved Script.").first).to_be_visible()
    expect(page.locator("main")).to_contain_text("Vault, ci/export")
    for action in ("Pause", "Resume", "Revoke"):
        page.get_by_role("link", name=action).click()
        page.get_by_role("button", name=f"{action} key").click()
        expect(page.get_by_role("status").filter(has_text="Script").first).to_be_visible()
        expect(page).to_have_url(f"{page.url.partition('/keys/')[0]}/keys/{key_id}/")
    expect(page.get_by_text("No reason was given").first).to_be_visible()
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
def test_an_action_returns_to_the_list_it_came_from(
    visit: Visit, key_id: str, javascript: bool
) -> None:
    page = visit("mallory", javascript=javascript, viewport=DESKTOP).page
    page.goto("/profile/?status=all")
    row = page.get_by_role("row").filter(has=page.locator(f"[href*='{key_id}/usage']"))
    row.get_by_role("link", name="Pause").click()
    page.get_by_role("button", name="Pause key").click()
    expect(page.get_by_text("Paused Script").first).to_be_visible()
    assert page.url.endswith("/profile/?status=all")
    expect(row.get_by_role("link", name="Resume")).to_be_visible()


def test_the_agent_keys_dialog_pauses_inside(visit: Visit) -> None:
    page = visit("alice", viewport=DESKTOP).page
    page.goto("/administration/tenant-agents/")
    page.get_by_label("Actions for Acme").click()
    page.get_by_role("link", name="Manage API Keys").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name="All").click()
    expect(dialog.get_by_role("link", name="All")).to_have_attribute("aria-current", "page")
    for action, done in (("Pause", "Paused"), ("Resume", "Resumed")):
        dialog.get_by_role("link", name=f"{action} Staging SQL Agent").click()
        dialog.get_by_role("button", name=f"{action} key").click()
        expect(dialog.get_by_text(f"{done} Staging SQL Agent").first).to_be_visible()
        expect(dialog.get_by_role("link", name="All")).to_have_attribute("aria-current", "page")
