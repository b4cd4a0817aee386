import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from apikeys import services as keys
from apikeys.authority import Authority
from apikeys.errors import NotUsable, ScopeNotGrantable
from apikeys.models import Key, Secret
from apikeys.services import Changes, Issued, Rotated
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, verify
from audit.models import TrailEntry
from tenants.changes import leases
from tenants.models import Organization, User
from tenants.roles import PERMISSIONS, Role
from tests.conftest import SYSTEM, IssueKey, api, join

pytestmark = pytest.mark.django_db
OWNER = Authority.of_person(PERMISSIONS[Role.OWNER])
NOW, HOUR = timedelta(0), timedelta(hours=1)


def rotate(issued: Issued | Rotated, grace: timedelta = NOW, within: Authority = OWNER) -> Rotated:
    return keys.rotate(key=issued.key, grace=grace, within=within, by=SYSTEM)


def resolve(issued: Issued | Rotated, at: datetime | None = None) -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=at or timezone.now())


def works(issued: Issued | Rotated, at: datetime | None = None) -> bool:
    return isinstance(resolve(issued, at), Credential)


def test_the_old_secret_dies_at_once_and_the_key_stays(
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


def test_a_rotation_is_answered_when_no_lease_is_left(
    public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[bool] = []
    end = leases.end
    monkeypatch.setattr(leases, "end", lambda: ended.append(True) or end())
    for grace in (NOW, HOUR):
        rotate(public_key, grace)
    assert len(ended) == 2


def test_with_grace_both_work_until_the_clock_says_so(public_key: Issued) -> None:
    rotated = rotate(public_key, HOUR)
    end = rotated.old_expires_at
    assert end == rotated.rotated_at + HOUR == rotated.effective_at
    assert works(public_key, end - timedelta(microseconds=1))
    assert resolve(public_key, end) == Denial(Reason.ROTATED_KEY)
    assert works(rotated, end)


def test_a_secret_that_is_rotated_out_says_so(agent_key: Issued) -> None:
    def heartbeat(issued: Issued | Rotated) -> bool:
        answer = api(issued).post(
            "/api/v1/agent/heartbeat", {"host": "sql-01", "version": "1"}, format="json"
        )  # type: ignore[arg-type]
        return bool(answer.json()["rotating_out"])

    assert not heartbeat(agent_key)
    rotated = rotate(agent_key, HOUR)
    assert heartbeat(agent_key)
    assert not heartbeat(rotated)
    assert api(agent_key).get("/api/v1/whoami").json()["rotating_out_at"] is not None


def test_a_second_rotation_ends_the_overlap_of_the_first(public_key: Issued) -> None:
    first = rotate(public_key, HOUR)
    second = rotate(public_key, HOUR)
    assert resolve(public_key) == Denial(Reason.ROTATED_KEY)
    assert works(first)
    assert works(second)
    third = rotate(public_key)
    assert [works(each) for each in (public_key, first, second, third)] == [
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
def test_what_is_over_is_not_rotated(end: str, public_key: Issued) -> None:
    Key.objects.filter(pk=public_key.key.pk).update(**{end: timezone.now()})
    with pytest.raises(NotUsable):
        rotate(public_key)
    assert Secret.objects.get().retired_at is None


def test_revoked_wins_over_rotated(public_key: Issued) -> None:
    rotated = rotate(public_key, HOUR)
    keys.revoke(key=public_key.key, by=SYSTEM)
    assert resolve(public_key) == resolve(rotated) == Denial(Reason.REVOKED_KEY)


def test_a_rotation_hands_out_a_secret_so_it_takes_the_power_to_issue_it(
    acme: Organization, issue_public_key: IssueKey
) -> None:
    strong = issue_public_key(owner=join(acme, "olivia", Role.OWNER), scopes=("admin",))
    with pytest.raises(ScopeNotGrantable):
        rotate(strong, within=Authority.of_person(PERMISSIONS[Role.ADMIN]))
    assert works(strong)
    assert Secret.objects.count() == 1


def test_the_power_is_that_of_the_moment_it_was_widened_meanwhile(
    acme: Organization, issue_public_key: IssueKey
) -> None:
    """What was read before the change says nothing: the row is read again, and held."""
    stale = issue_public_key(owner=join(acme, "olivia", Role.OWNER))
    keys.edit(
        key=Key.objects.get(pk=stale.key.pk),
        changes=Changes(scopes=["admin"]),
        within=OWNER,
        by=SYSTEM,
    )
    with pytest.raises(ScopeNotGrantable):
        rotate(stale, within=Authority.of_person(PERMISSIONS[Role.ADMIN]))


def test_a_rotated_secret_never_comes_back(public_key: Issued) -> None:
    rotated = rotate(public_key, HOUR)
    old = Secret.objects.filter(retired_at__isnull=False)
    for retired_at in (None, rotated.old_expires_at + HOUR):
        with (
            pytest.raises(IntegrityError, match="retired_secret_never_comes_back"),
            transaction.atomic(),
        ):
            old.update(retired_at=retired_at)
    with pytest.raises(IntegrityError, match="stays_with_its_key"), transaction.atomic():
        old.update(created_at=timezone.now())
    old.update(retired_at=timezone.now())


def test_a_third_usable_secret_is_refused_by_the_database(public_key: Issued) -> None:
    rotate(public_key, HOUR)
    proof = Secret.objects.first().proof  # type: ignore[union-attr]
    third = {"key": public_key.key, "lookup": 1, "proof": proof, "pepper_version": 1, "mask": "x"}
    with pytest.raises(IntegrityError, match="at_most_two_usable"), transaction.atomic():
        Secret.objects.create(**third, retired_at=timezone.now() + HOUR)


def test_a_presentation_of_a_rotated_secret_writes_nothing_to_the_database(
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
def test_of_two_rotations_at_once_one_wins(
    public_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read the secret they replace before either commits."""
    barrier, results = threading.Barrier(2), []
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


def test_mallorys_keys_stay_as_they_are(
    public_key: Issued, globex_public_key: Issued, mallory: User
) -> None:
    before = list(Secret.objects.filter(key=globex_public_key.key).values())
    rotate(public_key)
    assert list(Secret.objects.filter(key=globex_public_key.key).values()) == before
