"""The table of access is what the server does: every guise at every address, and nothing beside it."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from apikeys.services import Issued
from config.wsgi import BEFORE_DJANGO
from tenants.models import Organization, User
from tenants.roles import Role
from tests.access_table import ANSWERS, API_GUISES, PAGE_GUISES, PAGES, PREFIXES, PROGRAMS, Row, rows
from tests.apikeys.oauth.flow import Program, service_of
from tests.conftest import IssueKey, Loot, api, client_of, join
from tests.routes import NEUTRAL, routes
from tests.tenants.tokens.forge import signed_in
from tests.wsgi import call as call_bare

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

Guise = tuple[Client, dict[str, str]]
METHODS = ("get", "post", "put", "patch", "delete", "options", "trace")
PEOPLE = ("owner", "admin", "member", "auditor", "staff", "outsider")


@pytest.fixture
def guises(
    *, acme: Organization, globex: Organization, alice: User, bob: User, carol: User, staff: User, mallory: User,
    agent_key: Issued, globex_agent_key: Issued, issue_public_key: IssueKey, settings: Settings,
) -> dict[str, Guise]:  # fmt: skip
    settings.KEYWAY_LEASE_MS = 0
    people = dict(zip(PEOPLE, (join(acme, "olivia", Role.OWNER), alice, bob, carol, staff, mallory), strict=True))
    reading, managing, logs = ("read:audit-activity",), ("manage:api-keys",), ("read:logs",)
    keys = {
        "agent": agent_key,
        "outsider's agent": globex_agent_key,
        "key": issue_public_key(scopes=reading),
        "key without": issue_public_key(scopes=("write:alerts",)),
        "admin's managing key": issue_public_key(owner=alice, scopes=(*reading, *managing)),
        "member's managing key": issue_public_key(owner=bob, scopes=(*reading, *managing)),
        "outsider's key": issue_public_key(owner=mallory, scopes=(*reading, *managing)),
    }
    programs = {
        "application": service_of(acme, alice, *reading),
        "application without": service_of(acme, alice, *logs),
        "outsider's application": service_of(globex, mallory, *reading),
    }
    return {
        "nobody": _presenting({}),
        **{f"session {name}": _browsing(person) for name, person in people.items()},
        **{f"token {name}": _presenting(_bearer(signed_in(person).access)) for name, person in people.items()},
        **{name: _presenting({"HTTP_X_API_KEY": issued.plaintext.reveal()}) for name, issued in keys.items()},
        **{name: _presenting(_bearer(program.own_token().json()["access_token"])) for name, program in programs.items()},
    }


def _bearer(token: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def _presenting(headers: dict[str, str]) -> Guise:
    return Client(raise_request_exception=False, **headers), headers  # type: ignore[arg-type]


def _browsing(person: User) -> Guise:
    client = client_of(person)
    client.raise_request_exception = False
    return client, {"HTTP_COOKIE": "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())}


def ask(guise: Guise, method: str, address: str, body: str | None) -> str:
    """What is answered, in the table's letters. Whatever it changed is undone."""
    cache.clear()
    client, headers = guise
    if address in BEFORE_DJANGO:
        bare = call_bare(address, REQUEST_METHOD=method.upper(), **headers)
        return letter(bare.status, bare.body, "")
    cookies = client.cookies.copy()
    with transaction.atomic():
        sent = {} if body is None else {"data": body, "content_type": "application/json"}
        answer = getattr(client, method)(address, **sent)
        content = b"".join(answer) if answer.streaming else answer.content
        transaction.set_rollback(True)
    client.cookies = cookies
    return letter(answer.status_code, content, answer.headers.get("Location", ""))


def letter(status: int, content: bytes, location: str) -> str:
    code = re.search(rb'"(?:code|error)": ?"(\w+)"', content) if status >= 400 and content.startswith(b"{") else None
    what = f"{status} {code[1].decode()}" if code else str(status)
    if status in range(200, 300) or (status in range(300, 400) and not re.search("/login/|/reauthenticate/", location)):
        what = "yes"
    elif status in range(300, 400):
        what = "sign in"
    return next((mark for mark, words in ANSWERS.items() if words == what), f"[{what}]")
