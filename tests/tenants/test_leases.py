import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from apikeys import services as keys
from apikeys import verification
from apikeys.denials import Denial, Reason
from apikeys.services import Issued
from apikeys.verification import Credential, verify
from tenants import leases
from tenants import services as tenants
from tenants.leases import Leases, one_wait
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)
LEASE_MS = 600
LONG_MS = 60_000  # for tests in which no lease may end by chance


@pytest.fixture(autouse=True)
def _lease(settings: Settings) -> Iterator[None]:
    settings.KEYWAY_LEASE_MS = LEASE_MS
    verification._leases.clear()
    yield
    verification._leases.clear()


def outcome(issued: Issued) -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=timezone.now())


def queries(work: Callable[[], object]) -> int:
    connection.force_debug_cursor = True
    before = len(connection.queries_log)
    work()
    connection.force_debug_cursor = False
    return len(connection.queries_log) - before


def test_a_warm_verification_costs_no_query_and_a_cold_one_costs_one(public_key: Issued, settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    assert queries(lambda: outcome(public_key)) == 1
    assert queries(lambda: [outcome(public_key) for _ in range(20)]) == 0
    settings.KEYWAY_LEASE_MS = LEASE_MS
    time.sleep(LEASE_MS / 1000)
    assert queries(lambda: outcome(public_key)) == 1


def test_without_leases_every_verification_reads(public_key: Issued, settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = 0
    assert queries(lambda: [outcome(public_key) for _ in range(3)]) == 3


def test_what_was_read_inside_a_transaction_is_never_leased(public_key: Issued) -> None:
    with transaction.atomic():
        assert queries(lambda: [outcome(public_key) for _ in range(2)]) == 2
    assert len(verification._leases) == 0


def test_the_answer_of_a_revocation_comes_one_lease_after_the_commit(public_key: Issued) -> None:
    assert isinstance(outcome(public_key), Credential)
    began = time.monotonic()
    receipt = keys.revoke(key=public_key.key, by=SYSTEM)
    assert time.monotonic() - began >= LEASE_MS / 1000
    assert receipt.effective_at <= timezone.now()
    assert outcome(public_key) == Denial(Reason.REVOKED_KEY)


def test_another_process_that_leased_just_before_is_over_when_the_answer_comes(public_key: Issued) -> None:
    """Another process is another `Leases`, which nobody here clears."""
    elsewhere: Leases[str] = Leases()
    state = ["good"]
    stop = threading.Event()
    accepted: list[float] = []

    def present() -> None:
        while not stop.is_set():
            started = time.monotonic()
            if elsewhere.get("secret", lambda: state[0]) == "good":
                accepted.append(started)

    caller = threading.Thread(target=present)
    caller.start()
    time.sleep(LEASE_MS / 1000 * 1.5)
    state[0] = "revoked"
    leases.end()
    answered = time.monotonic()
    time.sleep(LEASE_MS / 1000 * 1.5)
    stop.set()
    caller.join()
    assert accepted
    assert not [started for started in accepted if started >= answered]


def test_many_changes_in_one_request_wait_once(public_key: Issued, agent_key: Issued) -> None:
    began = time.monotonic()
    with one_wait():
        receipts = [keys.revoke(key=issued.key, by=SYSTEM) for issued in (public_key, agent_key)]
        tenants.suspend_organization(organization=public_key.key.organization, by=SYSTEM)
        assert time.monotonic() - began < LEASE_MS / 1000
    waited = time.monotonic() - began
    assert LEASE_MS / 1000 <= waited < 2 * LEASE_MS / 1000
    assert all(receipt.effective_at <= timezone.now() for receipt in receipts)


def test_a_change_that_is_rolled_back_waits_for_nothing(public_key: Issued, settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    began = time.monotonic()
    with pytest.raises(RuntimeError), transaction.atomic():
        keys.revoke(key=public_key.key, by=SYSTEM)
        raise RuntimeError
    assert time.monotonic() - began < LONG_MS / 1000
    assert isinstance(outcome(public_key), Credential)


def in_threads(work: Callable[[], object], count: int) -> list[object]:
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_concurrent_misses_of_one_secret_make_one_read(settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    shared: Leases[str] = Leases()
    reads: list[float] = []

    def read() -> str:
        reads.append(time.monotonic())
        time.sleep(0.05)
        return "facts"

    assert in_threads(lambda: shared.get("secret", read), 16) == ["facts"] * 16
    assert len(reads) == 1


def test_a_read_that_fails_or_finds_nothing_is_not_leased() -> None:
    shared: Leases[str] = Leases()

    def fail() -> str:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        shared.get("secret", fail)
    assert shared.get("secret", lambda: None) is None
    assert shared.get("secret", lambda: "issued since") == "issued since"


def test_a_read_slower_than_a_lease_is_not_shared_with_who_waited() -> None:
    shared: Leases[str] = Leases()
    reads: list[int] = []

    def slow() -> str:
        reads.append(1)
        time.sleep(LEASE_MS / 1000 * 1.2)
        return "facts"

    in_threads(lambda: shared.get("secret", slow), 2)
    assert len(reads) == 2


def test_the_number_of_leases_is_bounded(settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    few: Leases[int] = Leases(most=5)
    for number in range(50):
        few.get(number, lambda number=number: number)
    assert len(few) == 5
    assert few.get(49, lambda: -1) == 49
    assert few.get(0, lambda: -1) == -1


def test_a_leased_key_is_refused_from_the_microsecond_of_its_expiry(
    issue_public_key: Callable[..., Issued], settings: Settings
) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    expires_at = timezone.now() + timedelta(days=1)
    issued = issue_public_key(expires_at=expires_at)
    assert isinstance(verify(issued.plaintext.reveal(), now=expires_at - timedelta(microseconds=1)), Credential)
    assert queries(lambda: verify(issued.plaintext.reveal(), now=expires_at)) == 0
    assert verify(issued.plaintext.reveal(), now=expires_at) == Denial(Reason.EXPIRED_KEY)
