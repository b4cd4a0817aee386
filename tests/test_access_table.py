"""The table of access is what the server does: every guise at every address, and nothing beside it."""

import re

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from apikeys.services import Issued
from config.wsgi import BEFORE_DJANGO
from tenants.models import Organization, User
from tenants.roles import Role
from tests.access_table import (
    ACCOUNTS,
    ADMIN,
    ANSWERS,
    API,
    API_GUISES,
    BODIES,
    MODELS,
    PAGE_GUISES,
    PAGES,
    PEOPLE,
)
from tests.apikeys.oauth.flow import service_of
from tests.conftest import IssueKey, Loot, client_of, join
from tests.routes import NEUTRAL, routes
from tests.tenants.tokens.forge import signed_in
from tests.wsgi import call as call_bare

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

Guise = tuple[Client, dict[str, str]]
METHODS = ("get", "post", "put", "patch", "delete", "options", "trace")


@pytest.fixture
def guises(
    *, acme: Organization, globex: Organization, alice: User, bob: User, carol: User, staff: User, mallory: User,
    agent_key: Issued, globex_agent_key: Issued, issue_public_key: IssueKey, settings: Settings,
) -> dict[str, Guise]:  # fmt: skip
    settings.KEYWAY_LEASE_MS = 0
    people = dict(
        zip(
            PEOPLE,
            (join(acme, "olivia", Role.OWNER), alice, bob, carol, staff, mallory),
            strict=True,
        )
    )
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
        **{
            f"token {name}": _presenting(_bearer(signed_in(person).access))
            for name, person in people.items()
        },
        **{
            name: _presenting({"HTTP_X_API_KEY": issued.plaintext.reveal()})
            for name, issued in keys.items()
        },
        **{
            name: _presenting(_bearer(program.own_token().json()["access_token"]))
            for name, program in programs.items()
        },
    }


def _bearer(token: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def _presenting(headers: dict[str, str]) -> Guise:
    return Client(raise_request_exception=False, **headers), headers  # type: ignore[arg-type]


def _browsing(person: User) -> Guise:
    client = client_of(person)
    client.raise_request_exception = False
    return client, {
        "HTTP_COOKIE": "; ".join(
            f"{name}={morsel.value}" for name, morsel in client.cookies.items()
        )
    }


def ask(guise: Guise, method: str, address: str, body: str | None) -> str:
    """What is answered, in the table's letters. Whatever it changed is undone."""
    cache.clear()
    client, headers = guise
    if address in BEFORE_DJANGO:
        bare = call_bare(address, REQUEST_METHOD=method.upper(), **headers)
        return letter(method, bare.status, bare.body, "")
    cookies = client.cookies.copy()
    with transaction.atomic():
        sent = {} if body is None else {"data": body, "content_type": "application/json"}
        answer = getattr(client, method)(address, **sent)
        content = b"".join(answer) if answer.streaming else answer.content
        transaction.set_rollback(True)
    client.cookies = cookies
    return letter(method, answer.status_code, content, answer.headers.get("Location", ""))


def letter(method: str, status: int, content: bytes, location: str) -> str:
    code = (
        re.search(rb'"(?:code|error)": ?"(\w+)"', content)
        if status >= 400 and content.startswith(b"{")
        else None
    )
    what = f"{status} {code[1].decode()}" if code else str(status)
    if status in range(300, 400) and re.search("/login/|/reauthenticate/", location):
        what = "sign in"
    elif status in range(300, 400) and method == "get":
        what = "sent on"
    elif status in range(200, 400):
        what = "yes"
    elif status in (400, 422) and not code:
        what = "yes"  # a page let them in; what they sent is another matter
    return next((mark for mark, words in ANSWERS.items() if words == what), f"[{what}]")


def wanted(text: str) -> dict[tuple[str, str], str]:
    return {
        (method, address.replace("{model}", model)): "".join(letters)
        for methods, address, *letters in (line.split() for line in text.splitlines() if line)
        for method in (("GET", "POST") if methods == "BOTH" else (methods,))
        for model in (MODELS if "{model}" in address else ("",))
    }


def fill(address: str, loot: Loot) -> str:
    if "{object_id}" in address:
        model = apps.get_model(*address.split("/")[2:4])
        return address.format(
            object_id=model._default_manager.order_by("pk").values_list("pk", flat=True)[0]
        )
    agent, script = loot["key_id"]
    ids = {name: ids[0] for name, ids in loot.items()} | {"agent": agent, "script": script}
    ids["key_id"] = agent if address.startswith("/o/") else script
    return address.format(**NEUTRAL | ids)


def differing(asked: str, guises: tuple[str, ...], told: list[str], wanted: str) -> list[str]:
    pairs = zip(guises, told, wanted, strict=True)
    return [f"{asked} by {who}: {is_}, not {should}" for who, is_, should in pairs if is_ != should]


def test_programs_and_people_get_from_the_api_what_the_table_says(
    guises: dict[str, Guise], loot: Loot, acme: Organization
) -> None:
    wrong = []
    for (method, address), letters in wanted(API).items():
        body = BODIES.get(
            f"{method} {address}",
            None if method == "GET" or not address.startswith("/api/") else "",
        )
        body = body and body.replace("ORGANIZATION", acme.public_id)
        told = [ask(guises[name], method.lower(), fill(address, loot), body) for name in API_GUISES]
        wrong += differing(f"{method} {address}", API_GUISES, told, letters)
    assert wrong == []


@pytest.mark.parametrize("pages", [PAGES, ACCOUNTS, ADMIN], ids=["keyway", "accounts", "admin"])
def test_people_get_from_the_pages_what_the_table_says(
    pages: str, guises: dict[str, Guise], loot: Loot
) -> None:
    wrong = []
    for (method, address), letters in wanted(pages).items():
        told = [
            ask(guises[name], method.lower(), fill(address, loot), None) for name in PAGE_GUISES
        ]
        wrong += differing(f"{method} {address}", PAGE_GUISES, told, letters)
    assert wrong == []


@pytest.mark.parametrize(
    "table", [API, PAGES, ACCOUNTS, ADMIN], ids=["api", "keyway", "accounts", "admin"]
)
def test_a_method_that_has_no_row_is_refused_to_everybody(
    table: str, guises: dict[str, Guise], loot: Loot
) -> None:
    """Each address is asked by those who can do most there: they alone would learn that the method is not taken."""
    known = wanted(table)
    strongest = ["session owner", "session staff"]
    strongest += (
        ["token owner", "agent", "admin's managing key", "application"] if table == API else []
    )
    accepted = []
    for address in sorted({address for _, address in known}):
        for method in METHODS:
            if (method.upper(), address) not in known:
                told = {ask(guises[name], method, fill(address, loot), None) for name in strongest}
                accepted += [f"{method} {address}: {told}"] if "+" in told else []
    assert accepted == []


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    known = {
        re.sub(r"{script}|{agent}", "{key_id}", address)
        for _, address in wanted(API + PAGES + ACCOUNTS + ADMIN)
    }
    assert known == {*routes(), *BEFORE_DJANGO}
