"""A secret is in one HTTP response, not in the database, a session, a log or another response."""

import re
import sqlite3
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qsl

import pytest
import requests

from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server

EACH = 100
WINDOW = 12
AFTERWARDS = {
    "alice": """
        /profile/ /profile/?status=all /profile/api-keys/new/ /accounts/sessions/
        /administration/tenant-agents/
        /o/acme/ /o/acme/activity/ /o/acme/agents/ /o/acme/members/
        /o/acme/agents/api-keys/ /o/acme/agents/api-keys/?status=all&page=2
        /o/acme/agents/api-keys/new/
        /o/acme/audit-log/ /o/acme/audit-log/?format=csv /o/acme/audit-log/?format=ndjson
    """,
    "staff": "/admin/ /admin/apikeys/key/ /admin/audit/trailentry/ /admin/tenants/user/",
}


@pytest.fixture(scope="module")
def server() -> Iterator[KeywayServer]:
    with KeywayServer(KEYWAY_LOG_LEVEL="DEBUG", KEYWAY_ACCESS_LOG="-") as server:
        yield server


class Person:
    """A signed-in user with a cookie jar and no JavaScript. Keeps every response."""

    def __init__(self, server: KeywayServer, name: str) -> None:
        self.server = server
        self.session = requests.Session()
        self.session.headers["Referer"] = server.url
        self.answers: list[requests.Response] = []
        user = server.user(name)
        self.send("/accounts/login/", login=user["email"], password=user["password"])

    def get(self, path: str) -> requests.Response:
        return self._kept(self.session.get(self.server.url + path, timeout=20))

    def send(self, path: str, **fields: str) -> requests.Response:
        """Fetch the form and submit it with its hidden fields."""
        form = self.get(path).text
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
        return self.post(
            path, {**{name: unescape(value) for name, value in hidden.items()}, **fields}
        )

    def post(self, path: str, fields: dict[str, str]) -> requests.Response:
        return self._kept(self.session.post(self.server.url + path, data=fields, timeout=20))

    def _kept(self, answer: requests.Response) -> requests.Response:
        self.answers.append(answer)
        return answer


def issue(person: Person, path: str, **fields: str) -> tuple[str, str]:
    """Issue a key with a form, then resubmit it.

    Return the secret, and the text of the response that shows it with the secret cut out.
    """
    answer = person.send(path, **fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    (secret,) = set(re.findall(r"[as]k_(?:live|test)_[0-9A-Za-z]{32}", answer.text))
    person.answers.remove(answer)
    assert person.post(path, dict(parse_qsl(str(answer.request.body)))).status_code == 409
    return secret, answer.text.replace(secret, "")


def windows(secret: str) -> set[str]:
    body = secret.rsplit("_", 1)[1]
    return {body[start : start + WINDOW] for start in range(len(body) - WINDOW + 1)}


def dump(server: KeywayServer) -> str:
    with sqlite3.connect(server.folder / "keyway.sqlite3") as connection:
        return "\n".join(connection.iterdump())


def test_secrets_are_only_in_their_own_response(server: KeywayServer) -> None:
    alice, staff = Person(server, "alice"), Person(server, "staff")
    secrets, places = [key["secret"] for key in server.seed["keys"]], []
    for number in range(EACH):
        environment = ("live", "test")[number % 2]
        agent = issue(
            alice, "/o/acme/agents/api-keys/new/", name=f"Agent {number}", environment=environment
        )
        public = issue(
            alice,
            "/profile/api-keys/new/",
            name=f"Script {number}",
            environment=environment,
            scopes="read:audit-activity",
            expires="90",
        )
        secrets += [agent[0], public[0]]
        places += [agent[1], public[1]]
    for secret in secrets[-6:]:
        answer = requests.get(
            f"{server.url}/api/v1/whoami", headers={"X-API-Key": secret}, timeout=10
        )
        assert answer.status_code == 200
        places.append(answer.text)
    for person, paths in ((alice, AFTERWARDS["alice"]), (staff, AFTERWARDS["staff"])):
        for path in paths.split():
            assert person.get(path).status_code == 200, path
    places += [answer.text for person in (alice, staff) for answer in person.answers]
    places += [
        str(answer.headers) + answer.url for person in (alice, staff) for answer in person.answers
    ]
    places += [dump(server), server.log.read_text()]

    assert len(set(secrets)) == 2 * EACH + len(server.seed["keys"])
    haystack = "\n".join(places)
    assert "Agent 99" in haystack  # the search covers what was written
    assert "DEBUG" in server.log.read_text()
    searched = {window for secret in secrets for window in windows(secret)}
    found = {haystack[start : start + WINDOW] for start in range(len(haystack))} & searched
    assert found == set()
