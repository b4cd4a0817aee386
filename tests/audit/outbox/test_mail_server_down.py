"""Keyway with a hanging mail server: requests do not wait, and the email arrives afterwards."""

import re
import time
from collections.abc import Iterator

import pytest
import requests

from tests.servers.keyway import KeywayServer
from tests.servers.smtp import SmtpServer

pytestmark = [pytest.mark.server, pytest.mark.slow]
# An email that talks to a hanging server costs 5 s at least. The rest is a busy machine's.
PROMPT_SECONDS = 4
RESET = "/accounts/password/reset/"


@pytest.fixture(scope="module")
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer(hangs=True) as server:
        yield server


@pytest.fixture(scope="module")
def server(smtp: SmtpServer) -> Iterator[KeywayServer]:
    with KeywayServer(EMAIL_URL=smtp.url, KEYWAY_METRICS_TOKEN="metrics") as running:
        yield running


def ask_for_reset(server: KeywayServer, email: str) -> float:
    """Seconds that the answer took."""
    with requests.Session() as browser:
        page = browser.get(server.url + RESET, timeout=30).text
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert found
        fields = {"csrfmiddlewaretoken": found[1], "email": email}
        began = time.monotonic()
        answer = browser.post(server.url + RESET, fields, timeout=30, allow_redirects=False)
        assert answer.status_code == 302
        return time.monotonic() - began


def waiting(server: KeywayServer) -> float:
    headers = {"Authorization": "Bearer metrics"}
    text = requests.get(f"{server.url}/metrics", headers=headers, timeout=30).text
    found = re.search(r'^keyway_outbox_waiting{kind="email"} (\S+)$', text, re.MULTILINE)
    assert found, text
    return float(found[1])


def link_in(smtp: SmtpServer, email: str) -> re.Match[str]:
    """Wait for the mail with a link to choose a password."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        for delivered in smtp.wait_for(1, seconds=90):
            body = delivered.message.get_payload(decode=True)
            assert isinstance(body, bytes)
            link = re.search(r"/accounts/password/reset/key/([\w-]+)/", body.decode())
            if link and delivered.recipient == email:
                return link
        time.sleep(0.2)
    raise AssertionError("No link arrived.")


def test_hanging_mail_server_delays_no_request(server: KeywayServer, smtp: SmtpServer) -> None:
    email = server.user("bob")["email"]
    assert ask_for_reset(server, email) < PROMPT_SECONDS
    assert waiting(server) >= 1  # notices of the demo's keys may wait too
    until = time.monotonic() + 60
    while not smtp.connections:
        assert time.monotonic() < until, server.log.read_text()
        time.sleep(0.1)
    key = server.key(kind="public", environment="live")["secret"]
    answer = requests.get(f"{server.url}/api/v1/whoami", headers={"X-API-Key": key}, timeout=30)
    assert answer.status_code == 200
    smtp.hangs = False
    link = link_in(smtp, email)
    assert link[1] not in server.log.read_text()
    until = time.monotonic() + 30
    while waiting(server):
        assert time.monotonic() < until
        time.sleep(0.2)
