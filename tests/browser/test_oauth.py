"""The authorization-code flow in a real browser, with JavaScript and without: from the application and back to it."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.servers.keyway import KeywayServer

pytestmark = [pytest.mark.browser, pytest.mark.server]
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


class Callback(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(
            b"<!doctype html><html lang=en><title>Back</title><link rel=icon href=data:,><h1>Back at the application</h1>"
        )

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def callback() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Callback) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/callback"
        server.shutdown()


def register(visitor: Visitor, name: str, callback: str) -> tuple[str, str]:
    """An admin registers the application; return its client id and secret."""
    page = visitor.page
    page.goto("/o/acme/applications/")
    page.get_by_role("link", name="New application").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Redirect URIs").fill(callback)
    page.get_by_role("checkbox", name="Read Audit Activity").check()
    assert visitor.violations() == []
    page.get_by_role("button", name="Register application").click()
    secret = page.locator("input[data-secret]").input_value()
    client_id = page.locator("code", has_text="app_").first.inner_text()
    assert visitor.violations() == []
    page.get_by_label("I have saved this secret").check()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row", name=name)).to_be_visible()
    assert visitor.violations() == []
    return client_id, secret


def question(client_id: str, callback: str) -> str:
    asked = {
        "response_type": "code", "client_id": client_id, "redirect_uri": callback, "scope": "read:audit-activity",
        "state": "s-1", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    return f"/oauth/authorize?{urlencode(asked)}"


def back(visitor: Visitor, callback: str) -> dict[str, str]:
    visitor.page.wait_for_url(lambda url: url.startswith(callback))
    answer = {name: values[0] for name, values in parse_qs(urlsplit(visitor.page.url).query).items()}
    # Going to the application is what this journey is about.
    visitor.complaints = [line for line in visitor.complaints if not line.startswith("request to elsewhere: " + callback)]
    return answer


@pytest.mark.parametrize(("javascript", "theme"), [(True, "light"), (False, "dark")], ids=["js-light", "no-js-dark"])
def test_a_person_signs_in_allows_and_the_application_calls(
    visit: Visit, server: KeywayServer, callback: str, javascript: bool, theme: str
) -> None:
    name = f"Ledger {theme}"
    client_id, secret = register(visit("alice", javascript=javascript, theme=theme), name, callback)
    visitor, bob = visit(javascript=javascript, theme=theme), server.user("bob")
    page = visitor.page
    page.goto(question(client_id, callback))
    page.get_by_label("E-mail").fill(bob["email"])
    page.get_by_label("Password", exact=True).fill(bob["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name=f"Allow {name}?")).to_be_visible()
    for words in ("Acme", bob["email"], "Read Audit Activity", callback.removesuffix("/callback")):
        expect(page.get_by_role("main").get_by_text(words).first).to_be_visible()
    assert visitor.violations() == []
    allow, deny = (page.get_by_role("button", name=name).bounding_box() for name in ("Allow", "Deny"))
    assert allow
    assert deny
    assert (allow["width"], allow["height"]) == (deny["width"], deny["height"])
    page.get_by_role("button", name="Deny").click()
    assert back(visitor, callback)["error"] == "access_denied"
    page.goto(question(client_id, callback))
    page.get_by_role("button", name="Allow").click()
    answer = back(visitor, callback)
    assert (answer["state"], answer["iss"]) == ("s-1", server.url)
    sent = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": callback, "code_verifier": VERIFIER}
    tokens = requests.post(f"{server.url}/oauth/token", data=sent, auth=(client_id, secret), timeout=10).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    activity = requests.get(f"{server.url}/api/v1/public/audit-activity", headers=bearer, timeout=10)
    assert activity.status_code == 200
    asked = requests.get(f"{server.url}/api/v1/verify?scope=read:audit-activity", headers=bearer, timeout=10)
    assert (asked.status_code, asked.headers["X-Keyway-Application"]) == (204, client_id)
    assert "X-Keyway-Key" not in asked.headers
