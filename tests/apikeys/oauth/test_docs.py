"""Run the curl lines of docs/oauth.md as written."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.apikeys.oauth.flow import CALLBACK, CHALLENGE, VERIFIER
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "oauth.md"
COMMANDS = re.findall(r"^curl .*?(?<!\\)$", DOCUMENT.read_text().replace("\\\n", " "), re.MULTILINE)
REGISTER = """
import json
from apikeys.oauth.services import Draft, register
from tenants.models import Organization, User
from audit.trail.actor import Actor
made = register(
    organization=Organization.objects.get(slug="acme"),
    by=Actor.system("tests"),
    created_by=User.objects.first(),
    draft=Draft(
        name="{name}",
        purpose="{purpose}",
        scopes=["read:audit-activity"],
        redirect_uris={addresses},
    ),
)
print(json.dumps([made.application.client_id, made.plaintext.reveal()]))
"""


def run(command: str, **variables: str) -> Any:
    done = subprocess.run(
        ["bash", "-c", command],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout or b"{}")


def registered(server: KeywayServer, **facts: object) -> dict[str, str]:
    printed = server.manage("shell", "-v", "0", "-c", REGISTER.format(**facts))
    client_id, secret = json.loads(printed.splitlines()[-1])
    return {"CLIENT_ID": client_id, "CLIENT_SECRET": secret, "KEYWAY_URL": server.url}


def allow(server: KeywayServer, client_id: str) -> str:
    """Sign in as bob, allow the application and return the code."""
    browser, bob = requests.Session(), server.user("bob")
    browser.headers["Referer"] = server.url

    def send(address: str, **fields: str) -> requests.Response:
        form = browser.get(server.url + address, timeout=20).text
        (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)) or {""}
        fields["csrfmiddlewaretoken"] = token
        return browser.post(server.url + address, data=fields, timeout=20, allow_redirects=False)

    send("/accounts/login/", login=bob["email"], password=bob["password"])
    question = (
        f"/oauth/authorize?response_type=code&client_id={client_id}&redirect_uri={CALLBACK}"
        f"&scope=read:audit-activity&state=s&code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
    return parse_qs(urlsplit(send(question, decision="allow").headers["Location"]).query)["code"][0]


def test_documented_curl_lines_work(keyway: KeywayServer) -> None:
    token, call, redeem, refresh, introspect, revoke = COMMANDS
    service = registered(keyway, name="Docs service", purpose="service", addresses=[])
    service["ACCESS_TOKEN"] = run(token, **service)["access_token"]
    assert "data" in run(call, **service)
    web = registered(keyway, name="Docs web", purpose="web", addresses=[CALLBACK])
    web |= {
        "CODE": allow(keyway, web["CLIENT_ID"]),
        "REDIRECT_URI": CALLBACK,
        "CODE_VERIFIER": VERIFIER,
    }
    web["REFRESH_TOKEN"] = run(redeem, **web)["refresh_token"]
    web["ACCESS_TOKEN"] = run(refresh, **web)["access_token"]
    assert run(introspect, **web)["active"] is True
    assert run(revoke, **web) == {}
    assert run(introspect, **web) == {"active": False}
