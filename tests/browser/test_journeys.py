"""User journeys, each with and without JavaScript."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
import requests
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, Error, Page, expect

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server
with_and_without_javascript = pytest.mark.parametrize(
    "javascript", [True, False], ids=["js", "no-js"]
)


def refusal(server: KeywayServer, secret: str) -> tuple[int, str]:
    answer = requests.get(f"{server.url}/api/v1/whoami", headers={"X-API-Key": secret}, timeout=10)
    return answer.status_code, answer.json().get("code", "")


def take(page: Page, confirm: str = "I have saved this key") -> str:
    """Return the secret on the page, confirm that it is saved, and continue."""
    secret = page.locator("input[data-secret]").input_value()
    page.get_by_role("button", name="Done").click()
    assert (
        page.locator("input[data-secret]").count() == 1
    )  # Done does nothing before the checkbox is ticked
    page.get_by_label(confirm).check()
    page.get_by_role("button", name="Done").click()
    expect(page.locator("input[data-secret]")).to_have_count(0)
    return secret


@with_and_without_javascript
def test_member_manages_a_public_key_for_its_life(
    visit: Visit, server: KeywayServer, javascript: bool
) -> None:
    page = visit("bob", javascript=javascript).page
    label = f"Nightly export {javascript}"
    page.goto("/profile/")
    page.get_by_role("link", name="New API Key").first.click()
    page.get_by_label("Label").fill(label)
    page.get_by_role("checkbox", name="Read Audit Activity").check()
    page.get_by_role("button", name="Create").click()
    secret = take(page)
    assert refusal(server, secret) == (200, "")

    for action, sure, outcome in (
        ("Pause", "Pause key", (401, "paused_key")),
        ("Resume", "Resume key", (200, "")),
    ):
        page.goto("/profile/?status=all")
        page.get_by_role("row", name=label).get_by_role("link", name=action).click()
        page.get_by_role("button", name=sure).click()
        expect(page.get_by_role("status").filter(has_text=label).first).to_be_visible()
        assert refusal(server, secret) == outcome
    page.get_by_role("row", name=label).get_by_role("link", name="Revoke").click()
    expect(page.get_by_text(label).first).to_be_visible()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text(f"Revoked {label}").first).to_be_visible()
    assert refusal(server, secret) == (401, "revoked_key")


@with_and_without_javascript
def test_an_admin_creates_and_deletes_an_agent_key(
    visit: Visit, server: KeywayServer, javascript: bool
) -> None:
    page = visit("alice", javascript=javascript).page
    label = f"Warehouse agent {javascript}"
    page.goto("/administration/tenant-agents/")
    page.get_by_label("Actions for Acme").click()
    page.get_by_role("link", name="Manage API Keys").click()
    page.get_by_role("link", name="Create Key").click()
    if javascript:
        expect(page.get_by_role("button", name="Create")).to_be_disabled()
    else:
        page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Enter a label").first).to_be_visible()
    page.get_by_label("Label").fill(label)
    page.get_by_role("button", name="Create").click()
    secret = take(page)
    assert refusal(server, secret) == (200, "")
    page.get_by_role("link", name=f"Delete {label}").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text(f"Deleted {label}").first).to_be_visible()
    assert refusal(server, secret) == (401, "revoked_key")


@with_and_without_javascript
def test_back_button_does_not_show_the_secret(visit: Visit, javascript: bool) -> None:
    page = visit("bob", javascript=javascript).page
    page.goto("/profile/api-keys/new/")
    page.get_by_label("Label").fill(f"Back button {javascript}")
    page.get_by_role("checkbox", name="Read Audit Activity").check()
    page.get_by_role("button", name="Create").click()
    secret = take(page)
    assert secret not in page.content()
    with suppress(Error):  # ERR_CACHE_MISS: the browser did not store the page
        page.go_back()
    page.wait_for_timeout(300)
    assert secret not in page.content()
    assert all(field.input_value() == "" for field in page.locator("input[data-secret]").all())


def test_the_copy_button_puts_the_secret_on_the_clipboard(visit: Visit) -> None:
    page = visit("bob", permissions=["clipboard-read", "clipboard-write"]).page
    page.goto("/profile/api-keys/new/")
    page.get_by_label("Label").fill("Copied")
    page.get_by_role("checkbox", name="Read Audit Activity").check()
    page.get_by_role("button", name="Create").click()
    secret = page.locator("input[data-secret]").input_value()
    page.get_by_role("button", name="Copy", exact=True).first.click()
    expect(page.get_by_text("Copied", exact=True).first).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    assert not page.get_by_label("I have saved this key").is_checked()
    page.get_by_label("I have saved this key").check()
    page.get_by_role("button", name="Done").click()


@with_and_without_javascript
def test_an_admin_filters_activity_and_reads_an_event(visit: Visit, javascript: bool) -> None:
    page = visit("alice", javascript=javascript).page
    page.goto("/o/acme/activity/")
    page.get_by_role("link", name="Older").first.click()
    expect(page.get_by_role("table").get_by_role("row").nth(5)).to_be_visible()
    page.goto("/o/acme/activity/?actor=dba_kim&success=true")
    table = page.get_by_role("table")
    expect(table.get_by_role("row").nth(1)).to_contain_text("dba_kim")
    table.get_by_role("row").nth(1).get_by_role("link").first.click()
    expect(
        page.get_by_text("server_principal_name").or_(page.get_by_text("dba_kim")).first
    ).to_be_visible()


@with_and_without_javascript
def test_an_admin_changes_the_agents_configuration(visit: Visit, javascript: bool) -> None:
    page = visit("alice", javascript=javascript).page
    page.goto("/o/acme/agents/configuration/")
    interval = page.get_by_label("Heartbeat interval")
    interval.fill("1")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").or_(page.locator(".error")).first).to_be_visible()
    page.get_by_label("Heartbeat interval").fill("45" if javascript else "50")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved version").or_(page.get_by_role("status")).first).to_be_visible()


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        ("bob", "/o/acme/audit-log/", 403),
        ("bob", "/o/acme/agents/api-keys/", 403),
        ("carol", "/o/acme/agents/api-keys/new/", 403),
        ("carol", "/o/acme/audit-log/", 200),
        ("mallory", "/o/acme/activity/", 404),
        ("staff", "/o/acme/activity/", 403),
        ("staff", "/o/acme/agents/api-keys/", 200),
    ],
)
def test_each_role_meets_its_limits(visit: Visit, who: str, path: str, status: int) -> None:
    answer = visit(who).page.goto(path)
    assert answer
    assert answer.status == status


@pytest.fixture
def totp() -> Callable[[str], str]:
    """Generate codes as an authenticator app does (RFC 6238: SHA-1, 30 s, 6 digits)."""

    def code(secret: str) -> str:
        while time.time() % 30 > 15:  # it is sent by hand, and refused when its half minute is over
            time.sleep(0.1)
        return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))

    return code


def test_user_sets_up_and_uses_a_second_factor(
    browser: Browser, totp: Callable[[str], str]
) -> None:
    # A separate server, because other tests sign carol in with her password alone.
    with KeywayServer() as server, Visitor(browser, server) as visitor:
        set_up_and_sign_in(visitor.sign_in("carol"), server, totp)


def set_up_and_sign_in(visitor: Visitor, server: KeywayServer, totp: Callable[[str], str]) -> None:
    page = visitor.page
    page.goto("/accounts/2fa/totp/activate/")
    page.get_by_label("Password").fill(server.user("carol")["password"])
    page.get_by_role("button", name="Confirm").click()
    secret = page.get_by_label("Or enter this secret in the app").input_value()
    page.get_by_label("Code from the app").fill(totp(secret))
    page.get_by_role("button", name="Turn on").click()
    page.wait_for_url(lambda url: "activate" not in url)
    page.context.clear_cookies()
    visitor.sign_in("carol")
    assert "/2fa/authenticate/" in page.url
    page.goto("/o/acme/audit-log/")
    assert "/accounts/" in page.url


@with_and_without_javascript
def test_an_admin_generates_and_ends_keys_of_the_organization(
    visit: Visit, server: KeywayServer, javascript: bool
) -> None:
    page = visit("alice", javascript=javascript).page
    name = f"prod_backend_main {javascript}"
    page.goto("/o/acme/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Settings").click()
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="API Keys").click()
    page.get_by_role("link", name="Generate New Key").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Expiration").select_option(label="90 days (recommended)")
    page.get_by_role("button", name="Generate", exact=True).click()
    secret = page.locator("input[data-secret]").input_value()
    page.get_by_role("button", name="I've Saved My Key").click()
    expect(page.locator("tr.new-row")).to_contain_text(name)
    expect(page.get_by_role("status").filter(has_text=f"Created {name}").first).to_be_visible()
    assert secret not in page.content()
    assert refusal(server, secret) == (200, "")

    page.get_by_role("searchbox", name="Search").fill(f"{secret[:12]}...{secret[-4:]}")
    page.get_by_role("button", name="Search").click()
    page.get_by_label(f"Select {name}").check()
    page.get_by_role("button", name="Revoke", exact=True).click()
    page.get_by_role("button", name="Revoke 1 key").click()
    expect(page.get_by_role("status").filter(has_text="Revoked").first).to_be_visible()
    assert refusal(server, secret) == (401, "revoked_key")
