import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from apikeys import services as keys
from apikeys.authority import Authority
from apikeys.errors import AlreadyRotated, NotUsable, ScopeNotGrantable
from apikeys.models import Key, Secret
from apikeys.services import Changes, Issued, Overlap, Rotated
from apikeys.stored_secret import SecretState
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from tenants.changes import leases
from tenants.changes.leases import Receipt
from tenants.models import Organization, User
from tenants.roles import PERMISSIONS, Role
from tests.conftest import SYSTEM, IssueKey, api, join

pytestmark = pytest.mark.django_db
OWNER = Authority.of_person(PERMISSIONS[Role.OWNER])
NOW, HOUR = timedelta(0), timedelta(hours=1)


def rotate(issued: Issued | Rotated, grace: timedelta = NOW, within: Authority = OWNER) -> Rotated:
    return keys.rotate(key=issued.key, overlap=Overlap(grace), within=within, by=SYSTEM)


def turn(issued: Issued, idempotency_key: str) -> Rotated:
    overlap = Overlap(HOUR)
    return keys.rotate(
        key=issued.key, overlap=overlap, within=OWNER, by=SYSTEM, idempotency_key=idempotency_key
    )


def end(issued: Issued, which: Issued | Rotated) -> Receipt:
    secret = Secret.objects.get(mask=which.plaintext.mask)
    return keys.end_secret(key=issued.key, secret_id=secret.pk, by=SYSTEM)


def resolve(issued: Issued | Rotated, at: datetime | None = None) -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=at or timezone.now())


def works(issued: Issued | Rotated, at: datetime | None = None) -> bool:
    return isinstance(resolve(issued, at), Credential)


def test_rotation_ends_the_old_secret_and_keeps_the_key(
    public_key: Issued, agent_key: Issued
) -> None:
    assert works(public_key)
    rotated = rotate(public_key)
    assert works(rotated)
    assert resolve(public_key) == Denial(Reason.ROTATED_KEY)
    assert resolve(rotated).key_id == public_key.key.pk  # type: ignore[union-attr]
    assert works(agent_key)
    entry = TrailEntry.objects.get(action="key.rotated")
    assert rotated.plaintext.mask in entry.body
    assert public_key.plaintext.mask in entry.body
    assert rotated.plaintext.body not in entry.body


def test_rotation_waits_for_leases(public_key: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    receipts: list[Receipt] = []
    wait = leases.end

    def record_end() -> Receipt:
        receipts.append(wait())
        return receipts[-1]

    monkeypatch.setattr(leases, "end", record_end)
    for grace in (NOW, HOUR):
        rotate(public_key, grace)
    assert len(receipts) == 2


def test_grace_begins_with_the_first_use_of_the_new_secret(public_key: Issued) -> None:
    rotated = rotate(public_key, HOUR)
    later = timezone.now() + timedelta(days=6)
    assert rotated.old_expires_at is rotated.effective_at is None
    assert works(public_key, later)
    assert works(rotated, later)
    old, new = Secret.objects.order_by("created_at")
    assert (old.state(later), new.state(later)) == (SecretState.LIVE, SecretState.PENDING)


def test_replaced_secret_reports_that_it_ends(agent_key: Issued) -> None:
    def heartbeat(issued: Issued | Rotated) -> bool:
        client = api(HTTP_X_API_KEY=issued.plaintext.reveal())
        body = {"host": "sql-01", "version": "1"}
        answer = client.post("/api/v1/agent/heartbeat", body, format="json")
        return bool(answer.json()["rotating_out"])

    assert not heartbeat(agent_key)
    rotated = rotate(agent_key, HOUR)
    assert heartbeat(agent_key)
    assert not heartbeat(rotated)
    whoami = api(agent_key).get("/api/v1/whoami").json()
    assert (whoami["rotating_out"], whoami["rotating_out_at"]) == (True, None)


def test_second_rotation_replaces_a_pending_secret(public_key: Issued) -> None:
    first = rotate(public_key, HOUR)
    second = rotate(public_key, HOUR)
    assert resolve(first) == Denial(Reason.ROTATED_KEY)
    assert works(public_key)
    assert works(second)


def test_rotation_without_grace_ends_all_but_the_newest(public_key: Issued) -> None:
    pending = rotate(public_key, HOUR)
    newest = rotate(public_key)
    assert resolve(public_key) == resolve(pending) == Denial(Reason.ROTATED_KEY)
    assert works(newest)


@pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
def test_revoked_or_expired_key_is_not_rotated(end: str, public_key: Issued) -> None:
    Key.objects.filter(pk=public_key.key.pk).update(**{end: timezone.now()})
    with pytest.raises(NotUsable):
        rotate(public_key)
    assert Secret.objects.get().retired_at is None


def test_revoked_wins_over_rotated(public_key: Issued) -> None:
    rotated = rotate(public_key, HOUR)
    keys.revoke(key=public_key.key, by=SYSTEM)
    assert resolve(public_key) == resolve(rotated) == Denial(Reason.REVOKED_KEY)


def test_rotation_requires_authority_to_issue(
    acme: Organization, issue_public_key: IssueKey
) -> None:
    strong = issue_public_key(owner=join(acme, "olivia", Role.OWNER), scopes=("admin",))
    with pytest.raises(ScopeNotGrantable):
        rotate(strong, within=Authority.of_person(PERMISSIONS[Role.ADMIN]))
    assert works(strong)
    assert Secret.objects.count() == 1


def test_rotation_checks_the_locked_row(acme: Organization, issue_public_key: IssueKey) -> None:
    """The caller's copy of the key is stale.

    Rotating must check the row as it is under the lock.
    """
    stale = issue_public_key(owner=join(acme, "olivia", Role.OWNER))
    keys.edit(
        key=Key.objects.get(pk=stale.key.pk),
        changes=Changes(scopes=["admin"]),
        within=OWNER,
        by=SYSTEM,
    )
    with pytest.raises(ScopeNotGrantable):
        rotate(stale, within=Authority.of_person(PERMISSIONS[Role.ADMIN]))


def test_rotated_secret_never_comes_back(public_key: Issued) -> None:
    rotate(public_key)
    old = Secret.objects.filter(retired_at__isnull=False)
    for retired_at in (None, timezone.now() + HOUR):
        with (
            pytest.raises(IntegrityError, match="retired_secret_never_comes_back"),
            transaction.atomic(),
        ):
            old.update(retired_at=retired_at)
    with pytest.raises(IntegrityError, match="stays_with_its_key"), transaction.atomic():
        old.update(created_at=timezone.now())
    old.update(retired_at=timezone.now() - HOUR)


def test_pending_secret_is_activated_only_once(public_key: Issued) -> None:
    rotate(public_key, HOUR)
    pending, now = Secret.objects.pending(), timezone.now()
    rows = Secret.objects.filter(pk=pending.get().pk)
    Secret.objects.live().update(retired_at=now)
    rows.update(activated_at=now)
    for changes in ({"activated_at": now + HOUR}, {"activated_at": None}, {"lapses_at": now}):
        with pytest.raises(IntegrityError, match="activated_once"), transaction.atomic():
            rows.update(**changes)


def test_lapsed_secret_is_never_activated(public_key: Issued) -> None:
    rotate(public_key, HOUR)
    rows = Secret.objects.filter(pk=Secret.objects.pending().get().pk)
    rows.update(retired_at=timezone.now())
    with pytest.raises(IntegrityError, match="activated_once"), transaction.atomic():
        rows.update(activated_at=timezone.now())


def test_database_refuses_a_third_usable_secret(public_key: Issued) -> None:
    rotate(public_key, HOUR)
    proof = Secret.objects.first().proof  # type: ignore[union-attr]
    third = {"key": public_key.key, "lookup": 1, "proof": proof, "pepper_version": 1, "mask": "x"}
    with pytest.raises(IntegrityError, match="at_most_two_usable"), transaction.atomic():
        Secret.objects.create(**third, retired_at=timezone.now() + HOUR)


def test_ending_a_pending_secret_undoes_the_rotation(public_key: Issued) -> None:
    rotated = rotate(public_key, HOUR)
    end(public_key, rotated)
    assert resolve(rotated) == Denial(Reason.ROTATED_KEY)
    assert works(public_key)
    assert not resolve(public_key).is_rotating_out  # type: ignore[union-attr]
    assert TrailEntry.objects.filter(action="key.secret_ended").count() == 1


def test_ending_the_live_secret_makes_a_pending_one_live(public_key: Issued) -> None:
    rotated = rotate(public_key, HOUR)
    end(public_key, public_key)
    assert resolve(public_key) == Denial(Reason.ROTATED_KEY)
    assert works(rotated, timezone.now() + timedelta(days=30))
    assert Secret.objects.live().get().mask == rotated.plaintext.mask


def test_only_secret_of_a_key_cannot_be_ended(public_key: Issued) -> None:
    with pytest.raises(NotUsable):
        end(public_key, public_key)
    rotated = rotate(public_key)
    with pytest.raises(NotUsable):  # it has ended
        end(public_key, public_key)
    assert works(rotated)
    assert not TrailEntry.objects.filter(action="key.secret_ended").exists()


def test_ending_takes_secrets_of_this_key_only(
    public_key: Issued, globex_public_key: Issued
) -> None:
    rotate(public_key, HOUR)
    rotate(globex_public_key, HOUR)
    with pytest.raises(NotUsable):
        end(public_key, globex_public_key)
    assert works(globex_public_key)


def test_form_submitted_twice_makes_one_secret(public_key: Issued) -> None:
    for key in ("one", "two"):
        turn(public_key, key)
        with pytest.raises(AlreadyRotated):
            turn(public_key, key)
    assert Secret.objects.count() == 3


def test_rotated_secret_is_refused_without_a_write(
    public_key: Issued, django_assert_num_queries: Any
) -> None:
    rotate(public_key)
    client = api(public_key)
    with django_assert_num_queries(1):
        refused = client.get("/api/v1/whoami")
    assert (refused.status_code, refused.json()["code"]) == (401, "rotated_key")


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="the SQLite of these tests is one connection in memory",
)
def test_concurrent_rotations_have_one_winner(
    public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both requests read the secret to replace before either commits."""
    barrier = threading.Barrier(2)
    results: list[Rotated | NotUsable] = []
    make = keys.rotate.__globals__["make_secret"]

    def make_together(key: Key) -> Any:
        made = make(key)
        barrier.wait()
        return made

    monkeypatch.setitem(keys.rotate.__globals__, "make_secret", make_together)

    def run() -> None:
        try:
            results.append(rotate(public_key))
        except NotUsable as error:
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(result).__name__ for result in results) == ["NotUsable", "Rotated"]
    winner = next(result for result in results if isinstance(result, Rotated))
    assert works(winner)
    assert Secret.objects.filter(retired_at=None).count() == 1
    assert TrailEntry.objects.filter(action="key.rotated").count() == 1
    assert connection.vendor == "postgresql"


def test_rotation_leaves_other_keys_alone(
    public_key: Issued, globex_public_key: Issued, mallory: User
) -> None:
    before = list(Secret.objects.filter(key=globex_public_key.key).values())
    rotate(public_key)
    assert list(Secret.objects.filter(key=globex_public_key.key).values()) == before
