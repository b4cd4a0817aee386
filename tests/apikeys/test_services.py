import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from pytest_django import Settings

from apikeys import services as keys
from apikeys.errors import (
    AlreadyIssued,
    AlreadyRevoked,
    ExpiryInThePast,
    NotUsable,
    ScopeNotGrantable,
)
from apikeys.models import Key, Secret, Status
from apikeys.services import Issued, Order
from audit.models import TrailEntry
from audit.trail.actions import Action
from config.lib.errors import TrailUnavailable
from tenants.access import actor
from tenants.models import Organization, User
from tests.conftest import SYSTEM, IssueKey, membership_of

pytestmark = pytest.mark.django_db


def trailed(issued: Issued) -> list[str]:
    entries = TrailEntry.objects.filter(target_id=issued.key.public_id).order_by("sequence")
    return [entry.action for entry in entries]


def test_issue_trails_the_mask_not_the_secret(public_key: Issued, bob: User) -> None:
    entry = TrailEntry.objects.get(target_id=public_key.key.public_id)
    assert (entry.action, entry.actor_name) == (Action.KEY_ISSUED, bob.email)
    assert public_key.plaintext.mask in entry.body
    assert public_key.plaintext.body not in entry.body


def test_secret_is_in_no_column_of_any_row(public_key: Issued) -> None:
    rows = [*Key.objects.values(), *Secret.objects.values(), *TrailEntry.objects.values()]
    body = public_key.plaintext.body
    windows = {body[i : i + 12] for i in range(len(body) - 11)}
    assert not [window for window in windows if window in repr(rows)]


def test_second_revoke_is_refused_and_not_trailed(public_key: Issued, agent_key: Issued) -> None:
    keys.revoke(key=public_key.key, by=SYSTEM, reason="Leaked")
    with pytest.raises(AlreadyRevoked):
        keys.revoke(key=public_key.key, by=SYSTEM)
    assert trailed(public_key) == ["key.issued", "key.revoked"]
    assert Key.objects.get(pk=public_key.key.pk).revoke_reason == "Leaked"
    assert Key.objects.get(pk=agent_key.key.pk).revoked_at is None


def test_revoked_key_cannot_be_paused_or_resumed(
    public_key: Issued,
) -> None:
    keys.pause(key=public_key.key, by=SYSTEM)
    with pytest.raises(NotUsable):
        keys.pause(key=public_key.key, by=SYSTEM)
    keys.resume(key=public_key.key, by=SYSTEM)
    with pytest.raises(NotUsable):
        keys.resume(key=public_key.key, by=SYSTEM)
    keys.revoke(key=public_key.key, by=SYSTEM)
    for change in (keys.pause, keys.resume):
        with pytest.raises(NotUsable):
            change(key=public_key.key, by=SYSTEM)
    assert trailed(public_key) == ["key.issued", "key.paused", "key.resumed", "key.revoked"]


@pytest.mark.parametrize(
    ("scopes", "words"),
    [
        ([], "at least one"),
        (["read:alerts"], "coming soon"),
        (["read:audit-activity", "read:findings"], "coming soon"),
        (["read:everything"], "unknown"),
        (["*"], "unknown"),
        (["write:agent-events"], "not available to public keys"),
    ],
)
def test_ungrantable_scopes_are_refused(
    scopes: list[str], words: str, issue_public_key: IssueKey
) -> None:
    assert issue_public_key()
    before = Key.objects.count()
    with pytest.raises(ScopeNotGrantable, match=words):
        issue_public_key(scopes=scopes)
    assert Key.objects.count() == before


def test_operator_can_register_a_scope(issue_public_key: IssueKey, settings: Settings) -> None:
    scope = {
        "name": "read:triggers",
        "title": "Read Triggers",
        "description": "List and view triggers",
    }
    with pytest.raises(ScopeNotGrantable):
        issue_public_key(scopes=["read:triggers"])
    settings.KEYWAY_SCOPES = [scope]
    assert issue_public_key(scopes=["read:triggers"]).key.scopes == ["read:triggers"]


def test_past_expiry_is_refused(issue_public_key: IssueKey) -> None:
    assert issue_public_key(expires_at=timezone.now() + timedelta(minutes=1))
    with pytest.raises(ExpiryInThePast):
        issue_public_key(expires_at=timezone.now())


def test_same_request_issues_one_key(issue_public_key: IssueKey, issue_agent_key: IssueKey) -> None:
    issue_public_key(idempotency_key="nonce")
    with pytest.raises(AlreadyIssued):
        issue_public_key(idempotency_key="nonce")
    issue_agent_key(idempotency_key="another")
    assert Key.objects.count() == 2


def test_status_names_the_strongest_reason(public_key: Issued, bob: User) -> None:
    key, now = public_key.key, timezone.now()
    assert key.status(now) == Status.ACTIVE
    key.expires_at = now + timedelta(days=14)
    assert key.status(now) == Status.EXPIRING
    key.paused_at = now
    assert key.status(now) == Status.PAUSED
    assert key.owner
    key.owner.user.is_active = False
    assert key.status(now) == Status.INACTIVE
    assert key.status(key.expires_at) == Status.EXPIRED
    key.revoked_at = now
    assert key.status(now) == Status.REVOKED


@pytest.mark.parametrize("change", [keys.revoke, keys.pause])
def test_untrailed_revoke_and_pause_roll_back(
    change: Callable[..., Any], public_key: Issued
) -> None:
    with pytest.raises(TrailUnavailable), transaction.atomic():
        _make_the_trail_unwritable()
        change(key=public_key.key, by=SYSTEM)
    key = Key.objects.get(pk=public_key.key.pk)
    assert (key.revoked_at, key.paused_at) == (None, None)


def test_untrailed_issue_rolls_back(bob: User) -> None:
    with pytest.raises(TrailUnavailable), transaction.atomic():
        _make_the_trail_unwritable()
        order = Order("x")
        keys.issue_public_key(
            owner=membership_of(bob), order=order, scopes=["read:audit-activity"], by=SYSTEM
        )
    assert not Key.objects.exists()


def _make_the_trail_unwritable() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_trailentry RENAME TO audit_gone")


def _at_once(work: Callable[[], Any], times: int) -> list[Any]:
    """Run `work` in `times` threads, each with its own connection. Exceptions count as results."""
    results: list[Any] = []
    barrier = threading.Barrier(times)

    def run() -> None:
        barrier.wait()
        try:
            results.append(work())
        except (AlreadyIssued, AlreadyRevoked) as error:
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="the SQLite of these tests is one connection in memory",
)
def test_concurrent_revokes_revoke_and_trail_once(public_key: Issued) -> None:
    results = _at_once(lambda: keys.revoke(key=public_key.key, by=SYSTEM), 8)
    assert sum(isinstance(result, keys.Receipt) for result in results) == 1
    assert sum(isinstance(result, AlreadyRevoked) for result in results) == 7
    assert trailed(public_key) == ["key.issued", "key.revoked"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="the SQLite of these tests is one connection in memory",
)
def test_concurrent_copies_of_a_form_issue_one_key(acme: Organization, alice: User) -> None:
    def issue() -> Issued:
        order = Order("double click", idempotency_key="nonce")
        return keys.issue_agent_key(
            organization=acme, order=order, by=actor(alice), created_by=alice
        )

    results = _at_once(issue, 8)
    assert sum(isinstance(result, Issued) for result in results) == 1
    assert sum(isinstance(result, AlreadyIssued) for result in results) == 7
    assert Key.objects.count() == 1
