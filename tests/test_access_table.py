"""The server answers every guise at every address as tests/access_table.py says."""

import re
from copy import copy

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
    API_COLUMNS,
    BODIES,
    PAGE_COLUMNS,
    PAGES,
    PEOPLE,
    guises_of,
    rows_of,
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
    *, acme: Organization, globex: Organization, alice: User, bob: User, carol: User,
    staff: User, mallory: User, agent_key: Issued, globex_agent_key: Issued,
    issue_public_key: IssueKey, settings: Settings,
) -> dict[str, Guise]:  # fmt: skip
    settings.KEYWAY_LEASE_MS = 0
    cast = (join(acme, "olivia", Role.OWNER), alice, bob, carol, staff, mallory)
    people = dict(zip(PEOPLE.values(), cast, strict=True))
    reading, managing, logs = ("read:audit-activity",), ("manage:api-keys",), ("read:logs",)
    keys = {
        "agent": agent_key,
        "outsider's agent": globex_agent_key,
        "reading key": issue_public_key(scopes=reading),
        "key without the scope": issue_public_key(scopes=("write:alerts",)),
        "admin's managing key": issue_public_key(owner=alice, scopes=(*reading, *managing)),
        "member's managing key": issue_public_key(owner=bob, scopes=(*reading, *managing)),
        "outsider's key": issue_public_key(owner=mallory, scopes=(*reading, *managing)),
    }
    programs = {
        "reading application": service_of(acme, alice, *reading),
        "application without the scope": service_of(acme, alice, *logs),
        "outsider's application": service_of(globex, mallory, *reading),
    }
    return {
        "anonymous": _presenting({}),
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


def answer_to(guise: Guise, method: str, address: str, body: str | None) -> str:
    """Return the answer as the table's letter, and roll back what the request changed."""
    cache.clear()
    client, headers = guise
    if address in BEFORE_DJANGO:
        bare = call_bare(address, REQUEST_METHOD=method.upper(), **headers)
        return letter(method, bare.status, bare.body, "")
    cookies = copy(client.cookies)
    with transaction.atomic():
        content = {} if body is None else {"data": body, "content_type": "application/json"}
        answer = getattr(client, method)(address, **content)
        text = b"".join(answer) if answer.streaming else answer.content
        transaction.set_rollback(True)
    client.cookies = cookies
    return letter(method, answer.status_code, text, answer.headers.get("Location", ""))


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
        what = "redirect"
    elif status in range(200, 400):
        what = "yes"
    elif status in (400, 422) and not code:
        what = "yes"  # the page let them in and only refused the empty form
    return next((mark for mark, words in ANSWERS.items() if words == what), f"[{what}]")


def fill(address: str, loot: Loot) -> str:
    if "{object_id}" in address:
        app_label, name = address.split("/")[2:4]
        model = apps.get_model(app_label, name)
        return address.format(
            object_id=model._default_manager.order_by("pk").values_list("pk", flat=True)[0]
        )
    agent, script = loot["key_id"]
    ids = {name: ids[0] for name, ids in loot.items()} | {"agent": agent, "script": script}
    ids["key_id"] = agent if address.startswith("/o/") else script
    ids["secret_id"] = loot["secret_id"][1]  # the script's
    return address.format(**NEUTRAL | ids)


def differing(request: str, guises: list[str], answers: list[str], letters: str) -> list[str]:
    cells = zip(guises, answers, letters, strict=True)
    return [
        f"{request} by {guise}: {is_}, not {should}"
        for guise, is_, should in cells
        if is_ != should
    ]


def test_api_answers_as_the_table_says(
    guises: dict[str, Guise], loot: Loot, acme: Organization
) -> None:
    names, wrong = guises_of(API_COLUMNS), []
    for (method, address), letters in rows_of(API).items():
        body = BODIES.get(
            f"{method} {address}",
            None if method == "GET" or not address.startswith("/api/") else "",
        )
        body = body and body.replace("ORGANIZATION", acme.public_id)
        path = fill(address, loot)
        answers = [answer_to(guises[name], method.lower(), path, body) for name in names]
        wrong += differing(f"{method} {address}", names, answers, letters)
    assert wrong == []


@pytest.mark.parametrize("pages", [PAGES, ACCOUNTS, ADMIN], ids=["keyway", "accounts", "admin"])
def test_pages_answer_as_the_table_says(pages: str, guises: dict[str, Guise], loot: Loot) -> None:
    names, wrong = guises_of(PAGE_COLUMNS), []
    for (method, address), letters in rows_of(pages).items():
        path = fill(address, loot)
        answers = [answer_to(guises[name], method.lower(), path, None) for name in names]
        wrong += differing(f"{method} {address}", names, answers, letters)
    assert wrong == []


@pytest.mark.parametrize(
    "table", [API, PAGES, ACCOUNTS, ADMIN], ids=["api", "keyway", "accounts", "admin"]
)
def test_method_without_a_row_is_refused(table: str, guises: dict[str, Guise], loot: Loot) -> None:
    """Only the strongest guises are tried: all others are refused before the method matters."""
    known = rows_of(table)
    strongest = ["session owner", "session staff"]
    strongest += (
        ["token owner", "agent", "admin's managing key", "reading application"]
        if table == API
        else []
    )
    accepted = []
    for address in sorted({address for _, address in known}):
        for method in METHODS:
            if (method.upper(), address) not in known:
                path = fill(address, loot)
                answers = {answer_to(guises[name], method, path, None) for name in strongest}
                accepted += [f"{method} {address}: {answers}"] if "+" in answers else []
    assert accepted == []


def test_addresses_and_rows_correspond() -> None:
    known = {
        re.sub(r"{script}|{agent}", "{key_id}", address)
        for _, address in rows_of(API + PAGES + ACCOUNTS + ADMIN)
    }
    assert known == {*routes(), *BEFORE_DJANGO}


@pytest.mark.parametrize(
    ("table", "columns"),
    [(API, API_COLUMNS), *((table, PAGE_COLUMNS) for table in (PAGES, ACCOUNTS, ADMIN))],
    ids=["api", "keyway", "accounts", "admin"],
)
def test_ruler_names_the_columns(table: str, columns: dict[str, dict[str, str]]) -> None:
    kinds, initials = (line.split()[1:] for line in table.splitlines() if line.startswith("#"))
    assert kinds == list(columns)
    assert initials == ["".join(guises) for guises in columns.values()]
