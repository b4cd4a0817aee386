"""Retake the pictures of README and docs: ``python -m tests.browser.pictures``."""

from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.visitor import Visitor, chromium
from tests.servers.keyway import ROOT, KeywayServer

FOLDER = ROOT / "docs" / "pictures"
SIZE = {"width": 1280, "height": 800}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with KeywayServer() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        with Visitor(browser, server, viewport=SIZE, device_scale_factor=1.5) as alice:
            alice.sign_in("alice")
            for name, path in (("overview", "/o/acme/"), ("activity", "/o/acme/activity/")):
                alice.page.goto(path)
                alice.page.screenshot(path=_file(name))
            alice.page.goto("/administration/tenant-agents/")
            alice.page.get_by_label("Actions for Acme").click()
            alice.page.get_by_role("link", name="Manage API Keys").click()
            alice.page.get_by_role("dialog").get_by_role("table").wait_for()
            alice.page.screenshot(path=_file("key-management"))
        with Visitor(browser, server, viewport=SIZE, device_scale_factor=1.5, theme="dark") as bob:
            bob.sign_in("bob").page.goto("/profile/api-keys/new/")
            bob.page.get_by_label("Label").fill("SIEM Integration")
            bob.page.get_by_role("checkbox", name="Read Audit Activity").check()
            bob.page.get_by_role("button", name="Create").click()
            bob.page.locator("input[data-secret]").wait_for()
            bob.page.screenshot(path=_file("shown-once"))
            bob.page.get_by_label("I have saved this key").check()
            bob.page.get_by_role("button", name="Done").click()


def _file(name: str) -> Path:
    return FOLDER / f"{name}.png"


if __name__ == "__main__":
    main()
