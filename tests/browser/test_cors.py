"""A page of another origin calls the API in a real browser, which enforces CORS itself."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.visitor import Visitor
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server

CALL = """async ({url, options}) => {
    try {
        const answer = await fetch(url, options);
        const text = await answer.text();
        return {status: answer.status, body: text && JSON.parse(text),
                limit: answer.headers.get('RateLimit'),
                owner: answer.headers.get('X-Keyway-Owner')};
    } catch (error) {
        return {status: error.name};
    }
}"""


class Empty(BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>App</title><link rel=icon href=data:,>")

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def server(port: int) -> Iterator[KeywayServer]:
    with KeywayServer(workers=1, KEYWAY_CORS_ORIGINS=f"http://localhost:{port}") as running:
        yield running


def call(page: Page, url: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(CALL, {"url": url, "options": options})
    return found


def test_named_origin_calls_with_a_user_token(
    server: KeywayServer, browser: Browser, port: int
) -> None:
    with Visitor(browser, server) as bob:
        bob.sign_in("bob")  # so that the browser has a session cookie to send
        page = bob.page
        page.goto(f"http://localhost:{port}/")
        api = f"{server.url}/api/v1"
        user = server.user("bob")
        login = call(
            page,
            f"{api}/auth/login",
            method="POST",
            headers={"Content-Type": "application/json"},
            body=f'{{"email": "{user["email"]}", "password": "{user["password"]}"}}',
        )
        assert login["status"] == 200
        token = {"Authorization": f"Bearer {login['body']['access_token']}"}
        whoami = call(page, f"{api}/whoami", headers=token)
        assert (whoami["status"], whoami["body"]["name"]) == (200, user["email"])
        assert '"user";r=' in whoami["limit"]
        verified = call(page, f"{api}/verify", headers=token)
        assert (verified["status"], verified["owner"][:4]) == (204, "usr_")
        test = token | {"X-Keyway-Environment": "test"}
        assert call(page, f"{api}/whoami", headers=test)["body"]["environment"] == "test"
        # The page can read a refusal, and the cookie opens nothing.
        assert call(page, f"{api}/api-keys")["body"]["code"] == "missing_key"
        assert call(page, f"{api}/api-keys", credentials="include") == {"status": "TypeError"}
        # A header outside the list fails at the preflight.
        forged = token | {"X-Forwarded-For": "192.0.2.1"}
        assert call(page, f"{api}/whoami", headers=forged) == {"status": "TypeError"}

        page.goto(f"http://127.0.0.1:{port}/")
        assert call(page, f"{api}/whoami", headers=token) == {"status": "TypeError"}
        bob.complaints = []  # the refusals above, and requests to the other origin
