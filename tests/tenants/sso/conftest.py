"""A real OpenID Connect provider, run as a process, and Acme set up to use it."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from html import unescape
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client

from tenants.models import Organization
from tenants.sign_in.sso import services
from tests.clients.node import programs
from tests.conftest import SYSTEM
from tests.servers.ports import free_port

HERE = Path(__file__).parent / "provider"
SECRET = "a client secret: +/&%"
START = "/accounts/sso/"
LOOPBACK = [ip_network("127.0.0.0/8")]


class OpenIdProvider:
    """`accounts` maps a typed email address to the claims that the provider then gives."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        self._accounts = folder / "accounts.json"
        self._process = subprocess.Popen(
            [programs.node(), str(HERE / "server.mjs")],
            cwd=programs.installed(HERE),
            env=os.environ
            | {
                "PORT": str(port),
                "ISSUER": self.issuer,
                "ACCOUNTS": str(self._accounts),
                "REDIRECT_URIS": " ".join(
                    f"http://testserver/accounts/sso/{slug}/callback/"
                    for slug in ("acme", "globex")
                ),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert "listening" in self._process.stdout.readline()

    def gives(self, hint: str, **claims: Any) -> None:
        given = {"sub": f"sub of {hint}", "email": hint, "email_verified": True} | claims
        self._accounts.write_text(json.dumps({hint: given}))

    def answer(self, url: str) -> str:
        """Sign in at the provider like a browser, and return the address that it leads back to."""
        session = requests.Session()
        for _ in range(8):
            response = session.get(url, allow_redirects=False, timeout=30)
            assert response.is_redirect, response.text
            url = requests.compat.urljoin(url, response.headers["Location"])
            if url.startswith("http://testserver/"):
                return url.removeprefix("http://testserver")
        raise AssertionError(url)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        if self._process.stdout:
            self._process.stdout.close()


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    running = OpenIdProvider(tmp_path_factory.mktemp("provider"))
    yield running
    running.stop()


@pytest.fixture
def acme_sso(acme: Organization, provider: OpenIdProvider, settings: Any) -> OpenIdProvider:
    """Acme uses the provider, and acme.example is its domain."""
    settings.KEYWAY_SSO_NETWORKS = LOOPBACK
    services.configure(
        organization=acme, issuer=provider.issuer, client_id="keyway", secret=SECRET, by=SYSTEM
    )
    services.assign_domain(organization=acme, domain="acme.example", by=SYSTEM)
    return provider


def begin(browser: Client, email: str) -> str:
    """Type the address on the page, and return where its link leads."""
    html = browser.post(START, {"email": email}).content.decode()
    found = re.search(r'href="(http[^"]+)" rel="noreferrer"', html)
    assert found, html
    return unescape(found[1])


def come_back(provider: OpenIdProvider, browser: Client, email: str) -> Any:
    """Sign in with the address at the provider, and return Keyway's answer."""
    return browser.get(provider.answer(begin(browser, email)))


def reason(response: Any) -> str:
    """Return why Keyway refused."""
    assert response.status_code == 403, response.status_code
    found = re.search(r"</h1>\s*<p>(.*?)</p>", response.content.decode(), re.DOTALL)
    assert found
    return unescape(found[1])
