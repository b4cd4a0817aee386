"""An application is registered, authorized, used and revoked in a real browser."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.test_journeys import take, with_and_without_javascript
from tests.browser.visitor import Visitor
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server
VERIFIER = "v" * 64
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)
BACK = (
    b'<!doctype html><html lang="en"><title>Back</title>'
    b'<link rel="icon" href="data:,"><h1>Back at the application</h1>'
)
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


class Callback(BaseHTTPRequestHandler):
    """The application's callback page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(BACK)))
        self.end_headers()
        self.wfile.write(BACK)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def callback() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Callback) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/callback"
        server.shutdown()


def register(page: Page, name: str, callback: str) -> tuple[str, str]:
    """Register the application as an admin. Return its client id and secret."""
    page.goto("/o/acme/applications/")
    page.get_by_role("link", name="New application").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Redirect URIs").fill(callback)
    page.get_by_role("checkbox", name="Read Audit Activity").check()
    page.get_by_role("button", name="Register application").click()
    client_id = page.locator("code", has_text="app_").inner_text()
    secret = take(page, "I have saved this secret")
    expect(page.get_by_role("row", name=name)).to_be_visible()
    assert secret not in page.content()
    return client_id, secret


def question(client_id: str, callback: str) -> str:
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": callback,
        "scope": "read:audit-activity",
        "state": "s-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return f"/oauth/authorize?{urlencode(asked)}"


def sign_in_on_the_way(page: Page, user: dict[str, Any]) -> None:
    page.get_by_label("Email").fill(user["email"])
    page.get_by_label("Password", exact=True).fill(user["password"])
    page.get_by_role("button", name="Sign in").click()


def answer(visitor: Visitor, decision: str, callback: str) -> dict[str, str]:
    """Allow or deny. Return the query parameters that the application receives."""
    visitor.page.get_by_role("button", name=decision).click()
    visitor.page.wait_for_url(lambda url: url.startswith(callback))
    # The redirect to the application is expected here.
    visitor.complaints = [
        line for line in visitor.complaints if line.partition(": ")[2].partition("?")[0] != callback
    ]
    return {name: values[0] for name, values in parse_qs(urlsplit(visitor.page.url).query).items()}


def get(server: KeywayServer, path: str, token: str) -> requests.Response:
    return requests.get(
        f"{server.url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=10
    )


def redeem(server: KeywayServer, client: tuple[str, str], code: str, callback: str) -> str:
    sent = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback,
        "code_verifier": VERIFIER,
    }
    told = requests.post(f"{server.url}/oauth/token", data=sent, auth=client, timeout=10)
    assert told.status_code == 200, told.text
    return str(told.json()["access_token"])


@with_and_without_javascript
def test_user_allows_and_revokes_an_application(
    visit: Visit, server: KeywayServer, callback: str, javascript: bool
) -> None:
    name, bob = f"Ledger {javascript}", server.user("bob")
    client = register(visit("alice", javascript=javascript).page, name, callback)
    visitor = visit(javascript=javascript)
    page = visitor.page
    page.goto(question(client[0], callback))
    sign_in_on_the_way(page, bob)
    expect(page.get_by_role("heading", name=f"Allow {name}?")).to_be_visible()
    for words in ("Acme", bob["email"], "Read Audit Activity", callback.removesuffix("/callback")):
        expect(page.get_by_role("main").get_by_text(words).first).to_be_visible()
    back = answer(visitor, "Allow", callback)
    assert (back["state"], back["iss"]) == ("s-1", server.url)
    token = redeem(server, client, back["code"], callback)
    assert_works(server, token, client[0])

    page.goto("/profile/")
    row = page.get_by_role("table", name="Connected applications").get_by_role("row", name=name)
    expect(row.get_by_text("Read Audit Activity").first).to_be_visible()
    row.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke access").click()
    expect(page.get_by_text(f"Disconnected {name}").first).to_be_visible()
    expect(row).to_have_count(0)
    for path in ("/api/v1/verify", "/api/v1/whoami", "/api/v1/public/audit-activity"):
        refused = get(server, path, token)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")


def assert_works(server: KeywayServer, token: str, client_id: str) -> None:
    asked = get(server, "/api/v1/verify?scope=read:audit-activity", token)
    assert (asked.status_code, asked.headers["X-Keyway-Application"]) == (204, client_id)
    assert "X-Keyway-Key" not in asked.headers
    assert get(server, "/api/v1/whoami", token).status_code == 200
    assert get(server, "/api/v1/public/audit-activity", token).status_code == 200


@with_and_without_javascript
def test_who_denies_sends_back_no_code(visit: Visit, callback: str, javascript: bool) -> None:
    name = f"Denied {javascript}"
    client_id, _ = register(visit("alice", javascript=javascript).page, name, callback)
    visitor = visit("bob", javascript=javascript)
    visitor.page.goto(question(client_id, callback))
    back = answer(visitor, "Deny", callback)
    assert (back["error"], back["state"], "code" in back) == ("access_denied", "s-1", False)
    visitor.page.goto("/profile/")
    expect(
        visitor.page.get_by_role("heading", name="Connected applications", exact=True)
    ).to_be_visible()
    expect(visitor.page.get_by_role("row", name=name)).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_pages_of_an_application_pass_axe_and_fit(
    visit: Visit, server: KeywayServer, callback: str, theme: str, size: dict[str, int]
) -> None:
    alice, name = visit("alice", theme=theme, viewport=size), f"Pages {theme} {size['width']}"
    client = register(alice.page, name, callback)
    found = {"list": look(alice, "/o/acme/applications/")}
    address = f"/o/acme/applications/{client[0]}/"
    for path in (address, *(address + action for action in ("secret/", "disable/", "delete/"))):
        found[path] = look(alice, path)
    bob = visit("bob", theme=theme, viewport=size)
    found["consent"] = look(bob, question(client[0], callback))
    allow, deny = (
        bob.page.get_by_role("button", name=name).bounding_box() for name in ("Allow", "Deny")
    )
    assert allow
    assert deny  # Allow is not styled more prominently than Deny
    assert (allow["width"], allow["height"]) == (deny["width"], deny["height"])
    redeem(server, client, answer(bob, "Allow", callback)["code"], callback)
    found["profile"] = look(bob, "/profile/")
    found["withdraw"] = look(bob, f"/profile/applications/{client[0]}/withdraw/")
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def look(visitor: Visitor, path: str) -> list[str]:
    visitor.page.goto(path)
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
    return visitor.violations()


def test_consent_returns_to_its_application_only(visit: Visit, callback: str) -> None:
    client_id, _ = register(visit("alice").page, "Policy", callback)
    page = visit("bob").page
    told = page.goto(question(client_id, callback))
    assert told
    policy = told.headers["content-security-policy"]
    assert f"form-action 'self' {callback.removesuffix('/callback')};" in policy
    told = page.goto("/profile/")
    assert told
    assert "form-action 'self';" in told.headers["content-security-policy"]
