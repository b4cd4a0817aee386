"""A change that cannot be recorded in the trail does not happen. The answer is 503."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import psycopg
import pytest
from django.db import connection
from django.test import Client

from apikeys.models import Key
from apikeys.services import Issued
from audit.models import TrailEntry
from tenants.models import User
from tests.conftest import client_of

REVOKE_SECONDS = 3


@contextmanager
def renamed() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_trailentry RENAME TO audit_gone")
        yield
        cursor.execute("ALTER TABLE audit_gone RENAME TO audit_trailentry")


@contextmanager
def locked() -> Iterator[None]:
    """Lock the table in another session, as a stuck backup would."""
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"] or None,
        dbname=settings["NAME"],
    ) as other:
        other.execute("LOCK TABLE audit_trailentry IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


def fields(browser: Client, path: str) -> dict[str, str]:
    hidden = re.findall(
        r'<input type="hidden" name="(\w+)" value="([^"]*)"', browser.get(path).content.decode()
    )
    return {name: unescape(value) for name, value in hidden}


def assert_nothing_is_issued_or_revoked(
    alice: User, bob: User, agent_key: Issued, obstacle: object
) -> None:
    admin, member = client_of(alice), client_of(bob)
    admin.raise_request_exception = member.raise_request_exception = False
    new, mine = "/o/acme/agents/api-keys/new/", "/profile/api-keys/new/"
    delete = f"/o/acme/agents/api-keys/{agent_key.key.public_id}/delete/"
    attempts = [
        (admin, new, fields(admin, new) | {"name": "x", "environment": "live"}),
        (
            member,
            mine,
            fields(member, mine)
            | {
                "name": "x",
                "environment": "live",
                "scopes": "read:audit-activity",
                "expires": "90",
            },
        ),
        (admin, delete, fields(admin, delete)),
    ]
    before = TrailEntry.objects.count()
    for browser, path, data in attempts:
        with obstacle():  # type: ignore[operator]
            began = time.monotonic()
            answer = browser.post(path, data)
            assert time.monotonic() - began < REVOKE_SECONDS + 2
        assert (answer.status_code, answer["Retry-After"]) == (503, "2"), path
        assert list(Key.objects.values_list("pk", "revoked_at")) == [(agent_key.key.pk, None)]
    assert TrailEntry.objects.count() == before
    assert admin.post(delete, attempts[2][2]).status_code == 302


@pytest.mark.django_db
def test_missing_trail_table_blocks_every_change(alice: User, bob: User, agent_key: Issued) -> None:
    assert_nothing_is_issued_or_revoked(alice, bob, agent_key, renamed)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="SQLite locks the whole file, which counts as an unavailable database",
)
def test_locked_trail_table_blocks_within_the_timeout(
    alice: User, bob: User, agent_key: Issued
) -> None:
    assert_nothing_is_issued_or_revoked(alice, bob, agent_key, locked)
