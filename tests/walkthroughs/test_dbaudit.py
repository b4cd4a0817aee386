"""The DB Audit document, "API Authentication", step by step, under the document's own headings.

Its commands and programs run unchanged. Hosts, credentials, ids and the SDK names are filled in.
The document presents API keys as `Authorization: Bearer`. Keyway accepts that at the document's own
addresses under /v1/. Under /api/v1 it denies such a key and names the right header.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.browser.visitor import Visitor
from tests.clients.node import programs
from tests.servers.keyway import ROOT, KeywayServer
from tests.walkthroughs import dbaudit as document
from tests.walkthroughs.curl import Answer, curl
from tests.walkthroughs.product import application, product

pytestmark = pytest.mark.server

V1, HOST = "https://api.dbaudit.ai/v1", "https://api.dbaudit.ai"
SECRET = r"dbaudit_live_[0-9A-Za-z]{32}"
RESOURCES = {
    f"/{resource}?{verb}": f"{verb}:{resource}"
    for verb in ("read", "write")
    for resource in ("databases", "policies", "alerts", "logs", "reports")
} | {"/databases": "read:databases", "/policies": "write:policies"}
# So many in a window that even a busy machine reaches the limit before the window is over.
QUOTA, WINDOW_SECONDS = 6, 6
TOKENS = {"access_token", "refresh_token", "expires_in", "token_type"}


@pytest.fixture(scope="session")
def server() -> Iterator[KeywayServer]:
    with KeywayServer(
        workers=1,
        KEYWAY_LIMIT_KEY=f"{QUOTA}/{WINDOW_SECONDS}s",
        KEYWAY_PUBLIC_KEY_PREFIX="dbaudit",
    ) as server:
        yield server


@pytest.fixture(scope="session")
def dbaudit(server: KeywayServer) -> Iterator[str]:
    """The product, with its databases and policies."""
    with product(server.url, RESOURCES, key_prefix="dbaudit") as url:
        yield url


@pytest.fixture
def callback() -> Iterator[str]:
    """Replacement for https://yourapp.com/callback."""
    with application() as url:
        yield f"{url}/callback"


def v1(server: KeywayServer) -> dict[str, str]:
    return {V1: f"{server.url}/v1"}


def api_v1(server: KeywayServer) -> dict[str, str]:
    """Keyway's own calls, which the document does not have."""
    return {V1: f"{server.url}/api/v1"}


def login(server: KeywayServer, name: str) -> Answer:
    user = server.user(name)
    return curl(
        document.LOGIN,
        where={**v1(server), "user@example.com": user["email"], "your_password": user["password"]},
    )


@pytest.fixture(scope="session")
def tokens(server: KeywayServer) -> dict[str, str]:
    return {name: login(server, name).json["access_token"] for name in ("alice", "mallory")}


def issue(server: KeywayServer, token: str, *scopes: str, **order: Any) -> requests.Response:
    order = {"name": "Integration", "scopes": scopes} | order
    bearer = {"Authorization": f"Bearer {token}"}
    return requests.post(f"{server.url}/api/v1/api-keys", json=order, headers=bearer, timeout=20)


@pytest.fixture
def secret(server: KeywayServer, tokens: dict[str, str]) -> str:
    return str(
        issue(server, tokens["alice"], "read:databases", "read:audit-activity").json()["key"]
    )


def use(dbaudit: str, credential: str) -> Answer:
    return curl(document.USE_KEY, where={V1: dbaudit, "YOUR_API_KEY": credential})


def test_generating_and_using_an_api_key(
    server: KeywayServer, dbaudit: str, browser: Browser
) -> None:
    with Visitor(browser, server) as alice:
        page = alice.sign_in("alice").page
        # 1 Settings > API Keys
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Settings").click()
        page.get_by_role("navigation", name="Settings").get_by_role("link", name="API Keys").click()
        # 2 Click "Create API Key" and provide a descriptive name
        page.get_by_role("link", name="Create API Key").click()
        page.get_by_label("Name", exact=True).fill("CI pipeline")
        # 3 The required scopes
        page.get_by_role("checkbox", name="Read Databases").check()
        page.get_by_role("button", name="Generate").click()
        # 4 Copy and securely store (it won't be shown again)
        secret = page.locator("input[data-secret]").input_value()
        page.get_by_role("button", name="I've Saved My Key").click()
        expect(page.get_by_role("row", name="CI pipeline")).to_be_visible()
        assert secret not in page.content()
    assert re.fullmatch(SECRET, secret)

    # Using Your API Key; Using Environment Variables
    assert use(dbaudit, secret).json["data"] == ["/databases"]
    variable = curl(
        document.USE_VARIABLE, where={V1: dbaudit, "dbaudit_live_xxxxxxxxxxxxxxxx": secret}
    )
    assert (variable.status, variable.json["data"]) == (200, ["/databases"])


def test_key_as_bearer_is_refused_under_api_v1(
    agentauri_keyway: KeywayServer,
) -> None:
    strict = agentauri_keyway  # the server with default settings
    secret = strict.key(kind="public", environment="live")["secret"]
    line = document.USE_KEY.replace("/databases", "/whoami")
    where = {**api_v1(strict), "YOUR_API_KEY": secret}
    refused = curl(line, where=where)
    assert refused.refusal == (401, "key_in_bearer")
    assert "X-API-Key" in refused.json["detail"]
    assert secret not in refused.text
    assert (
        curl(line.replace("Authorization: Bearer", "X-API-Key:"), where=where).json["kind"]
        == "public"
    )


def register(
    page: Page,
    name: str,
    *scopes: str,
    service: bool = False,
    callback: str = "",
    without_pkce: bool = False,
) -> dict[str, str]:
    """Register the application in the browser as an admin."""
    page.goto("/o/acme/applications/new/")
    page.get_by_label("Name").fill(name)
    if service:
        page.get_by_role("radio", name="Service").check()
    page.get_by_label("Redirect URIs").fill(callback)
    page.get_by_label("Allow authorization without PKCE").set_checked(without_pkce)
    for scope in scopes:
        page.get_by_role("checkbox", name=f"({scope})").check()
    page.get_by_role("button", name="Register application").click()
    client_secret = page.locator("input[data-secret]").input_value()
    client_id = page.locator("code", has_text="app_").first.inner_text()
    page.get_by_label("I have saved this secret").check()
    page.get_by_role("button", name="Done").click()
    return {"YOUR_CLIENT_ID": client_id, "YOUR_CLIENT_SECRET": client_secret}


def back(visitor: Visitor, callback: str) -> dict[str, str]:
    """Return the query parameters that the browser brings to the application."""
    visitor.page.wait_for_url(lambda url: url.startswith(callback))
    visitor.complaints = [
        line
        for line in visitor.complaints
        if not line.startswith("request to elsewhere: " + callback)
    ]
    return {name: values[0] for name, values in parse_qs(urlsplit(visitor.page.url).query).items()}


def question(client: dict[str, str], where: dict[str, str]) -> str:
    """The document's address of step 1, as one line."""
    address = document.AUTHORIZE.replace("\n", "")
    for written, real in (where | {"YOUR_CLIENT_ID": client["YOUR_CLIENT_ID"]}).items():
        address = address.replace(written, real)
    return address


def test_authorization_code_flow(
    server: KeywayServer, dbaudit: str, browser: Browser, callback: str
) -> None:
    scopes = ("read:databases", "write:policies")
    where = {HOST: server.url, "https://yourapp.com/callback": callback}
    with Visitor(browser, server) as alice:
        page = alice.sign_in("alice").page
        client = register(page, "Your app", *scopes, callback=callback, without_pkce=True)
        # Step 1: Redirect user to authorization endpoint
        page.goto(question(client, where))
        for words in ("Your app", "Acme", "Read Databases", "Write Policies"):
            expect(page.get_by_role("main").get_by_text(words).first).to_be_visible()
        page.get_by_role("button", name="Allow").click()
        code = back(alice, callback)["code"]

    # Step 2: Exchange authorization code for tokens
    got = curl(document.EXCHANGE, where={**where, **client, "AUTHORIZATION_CODE": code})
    assert (got.status, got.json["token_type"], got.json["expires_in"]) == (200, "Bearer", 3600)
    assert set(got.json["scope"].split()) == set(scopes)
    assert use(dbaudit, got.json["access_token"]).json["data"] == ["/databases"]

    # refresh_token - For obtaining new access tokens
    token = f"{document.TOKEN.rstrip()} -d refresh_token={got.json['refresh_token']}"
    renewed = curl(token, where={HOST: server.url, "GRANT": "refresh_token", **client})
    assert renewed.json.keys() >= TOKENS
    assert use(dbaudit, renewed.json["access_token"]).status == 200
    assert use(dbaudit, got.json["access_token"]).refusal == (401, "invalid_token")


def test_authorize_line_needs_pkce_by_default(
    server: KeywayServer, browser: Browser, callback: str
) -> None:
    where = {HOST: server.url, "https://yourapp.com/callback": callback}
    scopes = ("read:databases", "write:policies")
    with Visitor(browser, server) as alice:
        page = alice.sign_in("alice").page
        client = register(page, "Careful app", *scopes, callback=callback)
        page.goto(question(client, where))
        assert back(alice, callback)["error"] == "invalid_request"


def test_client_credentials(server: KeywayServer, dbaudit: str, browser: Browser) -> None:
    with Visitor(browser, server) as alice:
        client = register(
            alice.sign_in("alice").page, "Nightly job", "read:databases", service=True
        )
    got = curl(document.TOKEN, where={HOST: server.url, "GRANT": "client_credentials", **client})
    assert (got.status, got.json["token_type"]) == (200, "Bearer")
    assert use(dbaudit, got.json["access_token"]).json["data"] == ["/databases"]
    wrong = {**client, "YOUR_CLIENT_SECRET": client["YOUR_CLIENT_SECRET"][:-1]}
    refused = curl(document.TOKEN, where={HOST: server.url, "GRANT": "client_credentials", **wrong})
    assert (refused.status, refused.json["error"]) == (401, "invalid_client")


def test_obtaining_and_refreshing_jwt_tokens(server: KeywayServer) -> None:
    got = login(server, "bob")
    assert (got.status, got.headers["cache-control"]) == (200, "no-store")
    assert got.json.keys() == TOKENS
    assert (got.json["expires_in"], got.json["token_type"]) == (3600, "Bearer")
    assert got.json["access_token"].startswith("eyJhbGciOiJSUzI1NiIs")
    assert got.json["refresh_token"].startswith("eyJhbGciOiJSUzI1NiIs")
    me = curl(
        document.USE_KEY.replace("/databases", "/auth/me"),
        where=api_v1(server) | {"YOUR_API_KEY": got.json["access_token"]},
    )
    assert me.json["email"] == server.user("bob")["email"]

    refreshed = curl(
        document.REFRESH, where=v1(server) | {"eyJhbGciOiJSUzI1NiIs...": got.json["refresh_token"]}
    )
    assert (refreshed.status, refreshed.json.keys()) == (200, TOKENS)
    assert refreshed.json["access_token"] != got.json["access_token"]
    again = curl(
        document.REFRESH, where=v1(server) | {"eyJhbGciOiJSUzI1NiIs...": got.json["refresh_token"]}
    )
    assert again.refusal == (401, "invalid_token")


def test_permission_scopes(server: KeywayServer, tokens: dict[str, str], dbaudit: str) -> None:
    # read:alerts and read:reports are "coming soon" in the kAudit document, so they cannot be
    # granted yet.
    granted = (
        "read:databases",
        "write:databases",
        "read:policies",
        "write:policies",
        "write:alerts",
        "read:logs",
    )
    every = issue(server, tokens["alice"], *granted).json()["key"]
    for path, scope in RESOURCES.items():
        one = issue(server, tokens["alice"], scope)
        if scope not in granted:
            assert (one.status_code, one.json()["code"]) == (403, "scope_not_grantable")
            continue
        allowed, other = one.json()["key"], "/policies" if "databases" in path else "/databases"
        for at, status in ((path, 200), (other, 403)):
            assert (
                requests.get(dbaudit + at, headers={"X-API-Key": allowed}, timeout=20).status_code
                == status
            )
    assert use(dbaudit, every).status == 200


def test_admin_scope_is_granted_by_owners_only(
    server: KeywayServer, tokens: dict[str, str], dbaudit: str
) -> None:
    refused = issue(server, tokens["alice"], "admin")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_not_grantable")
    created = server.manage(
        "create_organization", "owned", "--owner", server.user("mallory")["email"]
    )
    [owned] = re.findall(r"org_\w+", created)
    secret = issue(server, tokens["mallory"], "admin", organization_id=owned).json()["key"]
    for path in ("/databases", "/policies", "/logs?read", "/alerts?write"):
        assert (
            requests.get(dbaudit + path, headers={"X-API-Key": secret}, timeout=20).json()[
                "organization"
            ]
            == owned
        )


def run_python(program: str, server: KeywayServer, secret: str) -> list[str]:
    facts = {
        "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
        "KEYWAY_BASE_URL": server.url,
        "KEYWAY_API_KEY": secret,
    }
    program = program.replace("dbaudit_live_xxxxxxxx", secret)
    return programs.run(sys.executable, "-c", program, cwd=server.folder, **facts).splitlines()


def run_node(program: str, server: KeywayServer, secret: str, folder: Path) -> list[str]:
    (folder / "node_modules" / "@keyway").mkdir(parents=True)
    (folder / "node_modules" / "@keyway" / "sdk").symlink_to(programs.PACKAGE)
    file = folder / "program.mjs"
    file.write_text(program.replace("dbaudit_live_xxxxxxxx", secret))
    facts = {"KEYWAY_BASE_URL": server.url, "KEYWAY_API_KEY": secret}
    return programs.run(programs.node(), file, cwd=folder, **facts).splitlines()


def test_python_sdk(server: KeywayServer, secret: str) -> None:
    name, event = run_python(document.PYTHON, server, secret)
    assert name == "Integration"
    assert event.startswith("evt_")


def test_nodejs_sdk(server: KeywayServer, secret: str, tmp_path: Path) -> None:
    name, event = run_node(document.NODE, server, secret, tmp_path)
    assert name == "Integration"
    assert event.startswith("evt_")


def test_authentication_errors(
    server: KeywayServer, tokens: dict[str, str], secret: str, dbaudit: str
) -> None:
    assert use(dbaudit, secret).status == 200
    # 401 Unauthorized: invalid or missing authentication credentials
    invalid = use(dbaudit, secret[:-1])
    assert invalid.refusal == (401, "invalid_key")
    assert invalid.headers["www-authenticate"]
    assert curl(f"curl {V1}/databases", where={V1: dbaudit}).refusal == (401, "missing_key")
    # 403 Forbidden: valid credentials but insufficient permissions. Request additional scopes.
    other = issue(server, tokens["alice"], "read:policies").json()["key"]
    forbidden = use(dbaudit, other)
    assert forbidden.refusal == (403, "insufficient_scope")
    assert "read:databases" in json.dumps(forbidden.json)


def test_429_rate_limited(server: KeywayServer, secret: str, dbaudit: str) -> None:
    answers = [use(dbaudit, secret) for _ in range(QUOTA)]
    while answers[-1].status == 200:
        assert len(answers) < 10 * QUOTA, "this machine is too slow to reach any limit"
        answers.append(use(dbaudit, secret))
    assert len(answers) > QUOTA
    assert answers[-1].refusal == (429, "rate_limited")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= WINDOW_SECONDS + 1


def test_python_sdk_waits_and_retries(server: KeywayServer, secret: str) -> None:
    assert run_python(document.PATIENT_PYTHON, server, secret) == [
        "rate_limited True",
        "Integration",
    ]


def test_node_sdk_waits_and_retries(server: KeywayServer, secret: str, tmp_path: Path) -> None:
    assert run_node(document.PATIENT_NODE, server, secret, tmp_path) == [
        "rate_limited true",
        "Integration",
    ]
