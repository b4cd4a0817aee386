"""The clock's events have one notice each, at their moment and not before it."""

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys import services
from apikeys.models import Key
from apikeys.notices import find
from apikeys.notices.causes import Cause
from apikeys.notices.find import notice_agents, notice_keys
from apikeys.notices.models import Notice
from config.lib.ids import uuid7
from tenants import services as tenants
from tenants.agents import services as agents
from tenants.models import Agent, Organization, User
from tests.apikeys.notices.conftest import Clock, found, subjects_by_recipient
from tests.conftest import SYSTEM, IssueKey, membership_of

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
only_postgresql = pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="the SQLite of these tests is one connection in memory",
)


def told() -> list[tuple[str, int | None]]:
    """Look for events twice, and return those of keys that are known by then."""
    notice_keys()
    notice_keys()
    rows = Notice.objects.exclude(cause=Cause.KEY_ISSUED).order_by("pk")
    return [(row.cause, row.data.get("days")) for row in rows]


def test_key_is_announced_14_7_and_1_days_ahead(clock: Clock, issue_public_key: IssueKey) -> None:
    end = clock.now + timedelta(days=30)
    issue_public_key(expires_at=end)
    expected: list[tuple[str, int | None]] = []
    for days in (14, 7, 1):
        clock.now = end - days * DAY - MOMENT
        assert told() == expected
        clock.now = end - days * DAY
        expected.append(("key.expiring", days))
        assert told() == expected
    clock.now = end - MOMENT
    assert told() == expected
    clock.now = end
    assert told() == [*expected, ("key.expired", None)]


def test_late_worker_announces_the_nearest_step(clock: Clock, issue_public_key: IssueKey) -> None:
    issue_public_key(expires_at=clock.now + 30 * DAY)
    clock.after(days=30 - 5)
    assert told() == [("key.expiring", 7)]
    clock.after(days=5)
    assert told() == [("key.expiring", 7), ("key.expired", None)]


def test_a_step_inside_its_lifetime_is_skipped(clock: Clock, issue_public_key: IssueKey) -> None:
    issue_public_key(expires_at=clock.now + 7 * DAY)
    assert told() == []
    clock.after(days=6)
    assert told() == [("key.expiring", 1)]


def test_end_brought_nearer_is_another_event(
    clock: Clock, issue_public_key: IssueKey, bob: User
) -> None:
    key = issue_public_key(expires_at=clock.now + 60 * DAY).key
    clock.after(days=46)
    assert told() == [("key.expiring", 14)]
    Key.objects.filter(pk=key.pk).update(expires_at=clock.now + 10 * DAY)
    assert told() == [("key.expiring", 14), ("key.expiring", 14)]


def test_dead_keys_are_not_announced(
    clock: Clock, issue_public_key: IssueKey, issue_agent_key: IssueKey, bob: User, alice: User
) -> None:
    end = clock.now + 30 * DAY
    revoked = issue_agent_key(expires_at=end).key
    issue_public_key(owner=bob, expires_at=end)
    lives = issue_public_key(owner=alice, expires_at=end).key
    services.revoke(key=revoked, by=SYSTEM, reason="")
    tenants.remove_member(membership=membership_of(bob), by=SYSTEM)
    clock.now = end - DAY
    notice_keys()
    assert [notice.subject_id for notice in found("key.expiring")] == [lives.pk]


def test_key_that_expired_long_ago_has_no_notice(clock: Clock, issue_public_key: IssueKey) -> None:
    issue_public_key(expires_at=clock.now + DAY)
    clock.now += DAY + find.CATCH_UP
    assert told() == []
    clock.now -= MOMENT
    assert told() == [("key.expired", None)]


def test_rotation_rule_is_asked_and_each_due_told_once(
    clock: Clock, issue_public_key: IssueKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, due = issue_public_key().key, clock.now + 90 * DAY

    def rule(since: datetime, until: datetime) -> Iterable[tuple[Key, datetime]]:
        return [(key, due)] if since < due <= until else []

    monkeypatch.setattr(find, "_rotation_rules", [rule])
    clock.now = due - MOMENT
    assert told() == []
    clock.now = due
    assert told() == [("key.rotation_due", None)]


def test_agent_is_silent_once_for_each_silence(clock: Clock, acme: Organization) -> None:
    def beat() -> None:
        presence = agents.Presence(acme.pk, "live", None, clock.now, SYSTEM)
        agents.heartbeat(
            presence, host="sql-01", version="1", configuration_version=1, queue_depth=0
        )

    def silences() -> int:
        notice_agents()
        notice_agents()
        return len(found("agent.silent"))

    beat()
    clock.after(seconds=300)  # five intervals of 60 seconds
    assert silences() == 0
    clock.now += MOMENT
    assert silences() == 1
    clock.after(days=3)
    assert silences() == 1
    beat()
    clock.after(seconds=301)
    assert silences() == 2


def test_agents_of_a_suspended_organization_are_expected(clock: Clock, acme: Organization) -> None:
    Agent.objects.create(
        organization=acme, environment="live", host="sql-01", last_seen_at=clock.now
    )
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    clock.after(hours=1)
    notice_agents()
    assert found("agent.silent") == []


def many_keys(organization: Organization, clock: Clock, count: int) -> None:
    Key.objects.bulk_create(
        Key(
            id=uuid7(),
            organization=organization,
            kind="agent",
            name=f"Agent {number}",
            created_at=clock.now,
            expires_at=clock.now + 30 * DAY,
        )
        for number in range(count)
    )


def test_no_key_costs_a_query_of_its_own(clock: Clock, acme: Organization, alice: User) -> None:
    many_keys(acme, clock, 400)
    clock.after(days=16)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        notice_keys()
        sent = subjects_by_recipient()
    assert len(found("key.expiring")) == 400
    assert sent == {alice.email: ["[Keyway] Acme: 400 API keys expire within 14 days"]}
    assert len(captured) < 50, "SQLite inserts in small batches"
    with CaptureQueriesContext(connection) as captured:
        notice_keys()
    assert len(captured) == 5, "three steps, the expired keys and the key rules"


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_tell_each_event_once(
    clock: Clock, acme: Organization, alice: User
) -> None:
    many_keys(acme, clock, 300)
    clock.after(days=16)
    gate = threading.Barrier(3)

    def work() -> None:
        gate.wait()
        try:
            notice_keys()
            subjects_by_recipient()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = subjects_by_recipient()[alice.email]
    assert sum(int(subject.split()[2]) for subject in sent) == 300
    assert len(found("key.expiring")) == 300
