"""A person at a browser. Fails a test for console errors and requests to other hosts."""

import os
import shutil
from types import TracebackType
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.servers.keyway import KeywayServer

# Browsers log statuses from 400 on. Journeys provoke these.
EXPECTED = tuple(
    f"the server responded with a status of {status}" for status in (403, 404, 409, 422)
)

# Playwright's own five and thirty seconds are short on a busy machine.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)

BEHIND_A_DIALOG = """(shown) => document
    .querySelectorAll('body:has(dialog[open]) > .shell')
    .forEach((e) => e.style.visibility = shown)"""


def chromium() -> str:
    """Return the path of Chromium. Without one, skip the test; under CI=true, fail it."""
    for name in ("chromium-headless-shell", "chromium", "google-chrome"):
        if path := shutil.which(name):
            return path
    message = "No Chromium here: apt-get install chromium-headless-shell"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class Visitor:
    """Use as a context manager. Its exit fails on console errors and requests to other hosts."""

    def __init__(
        self,
        browser: Browser,
        server: KeywayServer,
        *,
        javascript: bool = True,
        theme: Literal["light", "dark"] = "light",
        **context: Any,
    ) -> None:
        self.server = server
        self.context = browser.new_context(
            base_url=server.url,
            java_script_enabled=javascript,
            color_scheme=theme,
            reduced_motion="reduce",
            **context,
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        self.page.on("request", self._watch)

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.context.close()
        if kind is None:
            assert self.complaints == []

    def sign_in(self, name: str) -> "Visitor":
        """Sign in as a seeded user with their password, on the sign-in page."""
        user = self.server.user(name)
        self.page.goto("/accounts/login/")
        self.page.get_by_label("Email").fill(user["email"])
        self.page.get_by_label("Password", exact=True).fill(user["password"])
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: "/accounts/login/" not in url)
        return self

    def violations(self) -> list[str]:
        """Return axe's findings, undecided contrast too. Hangs without JavaScript."""
        # Inert, but axe takes it for the background of the dialog's text.
        self.page.evaluate(BEHIND_A_DIALOG, "hidden")
        response = Axe().run(self.page).response
        self.page.evaluate(BEHIND_A_DIALOG, "")
        unclear = [rule for rule in response["incomplete"] if rule["id"] == "color-contrast"]
        return [
            f"{rule['id']}: {node['target']}"
            for rule in response["violations"] + unclear
            for node in rule["nodes"]
        ]

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(
            status in message.text for status in EXPECTED
        ):
            self.complaints.append(f"console: {message.text}")

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((self.server.url, "blob:", "about:")):
            self.complaints.append(f"request to elsewhere: {request.url}")
