"""Everything that one page or one answer shows is read from one moment of the database."""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoDbBlocker, Settings

from apikeys import services as keys
from apikeys.services import Issued
from config.lib.snapshot import one_snapshot
from tenants.models import Organization, User
from tenants.roles import Role
from tests.apikeys.usage.test_statistics import use
from tests.conftest import SYSTEM, IssueKey, Loot, client_of, join
from tests.routes import addresses, routes

committing = pytest.mark.django_db(transaction=True)

# Each with what an early query of it holds: another connection commits right after that query.
SHOWN = {
    "/keys/{public_key}/usage/": 'FROM "apikeys_usecount"',
    "/keys/{public_key}/": 'FROM "apikeys_usecount"',
    "/api/v1/api-keys/{public_key}/usage": 'FROM "apikeys_usecount"',
    "/api/v1/api-keys": 'FROM "apikeys_key"',
    "/profile/": 'FROM "apikeys_key"',
    "/o/acme/": 'FROM "audit_activityevent"',
    "/o/acme/agents/api-keys/": 'FROM "apikeys_key"',
    "/o/acme/members/": "SELECT COUNT(*)",
    "/o/acme/audit-log/": 'FROM "audit_trailhead"',
}


@pytest.fixture(autouse=True)
def _no_leases(settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = 0


class CommitAfter:
    """Commit `change` on another connection after the first query that holds `part`."""

    def __init__(self, part: str, change: Callable[[], object]) -> None:
        self._part, self._change = part, change
        self.is_done = False

    def __call__(self, execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        result = execute(sql, *arguments)
        if self._part in sql and not self.is_done:
            self.is_done = True
            writer = threading.Thread(target=self._commit)
            writer.start()
            writer.join()
        return result

    def _commit(self) -> None:
        try:
            self._change()
        finally:
            connection.close()


def shown(response: Any) -> str:
    assert response.status_code == 200
    html = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())
    # "A second ago" ages between two requests; the exact time stays in the attribute.
    return re.sub(r"(<time\b[^>]*>)[^<]*", r"\1", html)


@committing
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="the SQLite of these tests is one in memory"
)
@pytest.mark.parametrize("address", SHOWN)
def test_commit_between_two_reads_is_not_shown(
    address: str, acme: Organization, alice: User, issue_public_key: IssueKey, agent_key: Issued
) -> None:
    own = issue_public_key(owner=alice, name="Alice's script")
    use(own, timezone.now())
    browser = client_of(alice)

    def change() -> None:
        use(own, timezone.now())
        issue_public_key(owner=alice, name="New script")
        keys.revoke(key=agent_key.key, by=SYSTEM)
        join(acme, "newcomer", Role.MEMBER)

    address = address.format(public_key=own.key.public_id)
    browser.get(address)  # the organization shown last is kept in the session
    before = shown(browser.get(address))
    commit = CommitAfter(SHOWN[address.replace(own.key.public_id, "{public_key}")], change)
    with connection.execute_wrapper(commit):
        meanwhile = shown(browser.get(address))
    assert commit.is_done
    assert meanwhile == before
    assert shown(browser.get(address)) != before


@committing
@pytest.mark.slow
def test_no_page_writes_inside_its_snapshot(
    loot: Loot, acme: Organization, alice: User, bob: User
) -> None:
    """Ordinary tests run inside a transaction, where a snapshot does nothing."""
    for person in (join(acme, "olivia", Role.OWNER), alice, bob):
        browser = client_of(person)
        for route in routes():
            if not route.startswith(("/admin/", "/accounts/")):
                for address, _ in addresses(route, loot):
                    assert browser.get(address).status_code < 500, address


@committing
@pytest.mark.parametrize("method", ["get", "head"])
def test_a_page_that_writes_is_refused(
    method: str, alice: User, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "apikeys.views.overview.latest_entries",
        lambda access: User.objects.filter(pk=access.user.pk).update(name="Written by a page"),
    )
    with pytest.raises(DatabaseError):
        getattr(client_of(alice), method)("/o/acme/")
    alice.refresh_from_db()
    assert alice.name == "Alice"
    Client().get("/accounts/login/")
    User.objects.filter(pk=alice.pk).update(name="Written afterwards")


@pytest.fixture
def file(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Path]:
    """SQLite in a file, under the alias `file`, with the settings of an installation."""
    path = tmp_path / "keyway.sqlite3"
    with sqlite3.connect(path, isolation_level=None) as made:
        made.executescript("PRAGMA journal_mode=WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1)")
    made.close()
    options = {"transaction_mode": "IMMEDIATE", "timeout": 0}
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": options}
    connections.settings["file"] = connections.configure_settings(
        {"default": connections.settings["default"], "file": engine}
    )["file"]
    with django_db_blocker.unblock():
        yield path
    connections["file"].close()
    del connections["file"]
    del connections.settings["file"]


def test_sqlite_readers_and_writers_do_not_wait(file: Path) -> None:
    def count() -> int:
        with connections["file"].cursor() as cursor:
            return int(cursor.execute("SELECT count(*) FROM t").fetchone()[0])

    writer = sqlite3.connect(file, timeout=0, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with one_snapshot("file"):
        assert count() == 1
        writer.execute("INSERT INTO t VALUES (2)")
        writer.execute("COMMIT")
        assert count() == 1
    writer.close()
    assert count() == 2
    with one_snapshot("file"), pytest.raises(DatabaseError), connections["file"].cursor() as cursor:
        cursor.execute("DELETE FROM t")
    with connections["file"].cursor() as cursor:
        cursor.execute("DELETE FROM t")
    connection_: Any = connections["file"]  # the stubs know no modes of SQLite
    assert connection_.transaction_mode == "IMMEDIATE"
