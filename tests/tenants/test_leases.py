import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from apikeys import services as keys
from apikeys.services import Issued
from apikeys.verify import judge
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential, verify
from tenants import services as tenants
from tenants.changes import leases
from tenants.changes.leases import Leases, one_wait
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)
needs_a_server = pytest.mark.skipif(
    "connection.vendor == 'sqlite'",
    reason="SQLite runs in this process, so there is no wait to save",
)
LEASE_MS = 600
PATIENT_MS = 3000
LONG_MS = 60_000  # for tests in which no lease may end by chance


@pytest.fixture(autouse=True)
def _lease(settings: Settings) -> Iterator[None]:
    settings.KEYWAY_LEASE_MS = LEASE_MS
    judge._leases.clear()
    yield
    judge._leases.clear()


def outcome(issued: Issued) -> Credential | Denial:
    return verify(issued.plaintext.reveal(), now=timezone.now())


def queries(work: Callable[[], object]) -> int:
    connection.force_debug_cursor = True
    before = len(connection.queries_log)
    work()
    connection.force_debug_cursor = False
    return len(connection.queries_log) - before


def test_warm_verification_costs_no_query(public_key: Issued, settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    assert queries(lambda: outcome(public_key)) == 1
    assert queries(lambda: [outcome(public_key) for _ in range(20)]) == 0
    settings.KEYWAY_LEASE_MS = LEASE_MS
    time.sleep(LEASE_MS / 1000)
    assert queries(lambda: outcome(public_key)) == 1


def test_zero_lease_reads_every_time(public_key: Issued, settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = 0
    assert queries(lambda: [outcome(public_key) for _ in range(3)]) == 3


def test_read_in_a_transaction_is_never_leased(public_key: Issued) -> None:
    with transaction.atomic():
        assert queries(lambda: [outcome(public_key) for _ in range(2)]) == 2
    assert len(judge._leases) == 0


def test_revocation_returns_one_lease_after_commit(public_key: Issued) -> None:
    assert isinstance(outcome(public_key), Credential)
    began = time.monotonic()
    receipt = keys.revoke(key=public_key.key, by=SYSTEM)
    assert time.monotonic() - began >= LEASE_MS / 1000
    assert receipt.effective_at <= timezone.now()
    assert outcome(public_key) == Denial(Reason.REVOKED_KEY)


def test_lease_elsewhere_ends_before_the_response(
    public_key: Issued,
) -> None:
    """A second `Leases` that is never cleared stands for another process."""
    state = ["good"]
    elsewhere: Leases[str, str] = Leases(lambda keys: dict.fromkeys(keys, state[0]))
    stop = threading.Event()
    accepted: list[float] = []

    def present() -> None:
        while not stop.is_set():
            started = time.monotonic()
            if elsewhere.get("secret") == "good":
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


def test_changes_in_one_request_wait_once(
    public_key: Issued, agent_key: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []  # until when; how long all of it takes is the machine's doing
    sleep = leases._sleep

    def noted_sleep(until: float) -> None:
        waits.append(until)
        sleep(until)

    monkeypatch.setattr(leases, "_sleep", noted_sleep)
    with one_wait():
        receipts = [keys.revoke(key=issued.key, by=SYSTEM) for issued in (public_key, agent_key)]
        before_the_last = time.monotonic()
        tenants.suspend_organization(organization=public_key.key.organization, by=SYSTEM)
        assert waits == []
    (until,) = waits
    assert before_the_last + LEASE_MS / 1000 <= until <= time.monotonic()
    assert all(receipt.effective_at <= timezone.now() for receipt in receipts)


def test_rolled_back_change_does_not_wait(public_key: Issued, settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    began = time.monotonic()
    with pytest.raises(RuntimeError), transaction.atomic():
        keys.revoke(key=public_key.key, by=SYSTEM)
        raise RuntimeError
    assert time.monotonic() - began < LONG_MS / 1000
    assert isinstance(outcome(public_key), Credential)


class Slow:
    """A slow read that returns `state` as it was when the read began.

    `threads` lists its callers.
    """

    def __init__(self, seconds: float) -> None:
        self.state = "good"
        self.threads: list[str] = []
        self.is_away = False
        self._seconds = seconds

    def __call__(self, keys: Sequence[str]) -> dict[str, str]:
        self.threads.append(threading.current_thread().name)
        if self.is_away:
            raise OperationalError("away")
        state = self.state
        time.sleep(self._seconds)
        return dict.fromkeys(keys, state) if state else {}


def in_threads(work: Callable[[], object], count: int) -> list[object]:
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_concurrent_misses_share_one_read(settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    reads: list[float] = []

    def read(keys: Sequence[str]) -> dict[str, str]:
        reads.append(time.monotonic())
        time.sleep(0.05)
        return dict.fromkeys(keys, "facts")

    shared: Leases[str, str] = Leases(read)
    assert in_threads(lambda: shared.get("secret"), 16) == ["facts"] * 16
    assert len(reads) == 1


def test_failed_or_empty_read_is_not_leased() -> None:
    read = Slow(0)
    shared: Leases[str, str] = Leases(read)
    read.is_away = True
    with pytest.raises(OperationalError):
        shared.get("secret")
    read.is_away, read.state = False, ""
    assert shared.get("secret") is None
    read.state = "issued since"
    assert shared.get("secret") == "issued since"


def test_read_slower_than_a_lease_is_not_shared() -> None:
    read = Slow(LEASE_MS / 1000 * 1.2)
    shared: Leases[str, str] = Leases(read)
    # Late enough to see the end of the read, which by then is older than a lease.
    waiter = threading.Timer(LEASE_MS / 1000 / 2, shared.get, ["secret"])
    waiter.start()
    shared.get("secret")
    waiter.join()
    assert len(read.threads) == 2


def test_lease_counts_from_before_the_read() -> None:
    read = Slow(LEASE_MS / 1000 / 2)
    leased: Leases[str, str] = Leases(read)
    leased.get("secret")
    read.state = "revoked"
    time.sleep(LEASE_MS / 1000 * 0.6)
    assert leased.get("secret") == "revoked"


def test_older_read_never_replaces_a_newer_one(settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    leased: Leases[str, str] = Leases(lambda keys: dict.fromkeys(keys, "read again"))
    now = time.monotonic()
    leased._hold("secret", now, "revoked")
    leased._hold("secret", now - 1, "good")
    assert leased.get("secret") == "revoked"


def test_failed_read_releases_its_waiters(settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    began = time.monotonic()

    def read(keys: Sequence[str]) -> dict[str, str]:
        time.sleep(0.1)
        if threading.current_thread() is threading.main_thread():
            raise OperationalError("away")
        return dict.fromkeys(keys, "good")

    leased: Leases[str, str] = Leases(read)
    results: list[str | None] = []
    waiter = threading.Timer(0.05, lambda: results.append(leased.get("secret")))
    waiter.start()
    with pytest.raises(OperationalError):
        leased.get("secret")
    waiter.join()
    assert results == ["good"]
    assert time.monotonic() - began < LONG_MS / 1000 / 2


def test_change_shows_in_its_own_process_before_the_wait(public_key: Issued) -> None:
    assert isinstance(outcome(public_key), Credential)
    with one_wait():
        keys.revoke(key=public_key.key, by=SYSTEM)
        assert outcome(public_key) == Denial(Reason.REVOKED_KEY)


def test_error_after_a_change_still_waits(public_key: Issued) -> None:
    began = time.monotonic()
    with pytest.raises(RuntimeError), one_wait():
        keys.revoke(key=public_key.key, by=SYSTEM)
        raise RuntimeError
    assert time.monotonic() - began >= LEASE_MS / 1000


def test_leases_are_bounded(settings: Settings) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    reads: list[int] = []

    def read(keys: Sequence[int]) -> dict[int, int]:
        reads.extend(keys)
        return {key: key for key in keys}

    few: Leases[int, int] = Leases(read, most=5)
    for number in range(50):
        few.get(number)
    assert len(few) == 5
    assert [few.get(49), few.get(0)] == [49, 0]
    assert reads == [*range(50), 0]


@pytest.fixture
def patient(settings: Settings) -> float:
    """Set a lease that is long enough for a busy machine to renew, and return its seconds."""
    settings.KEYWAY_LEASE_MS = PATIENT_MS
    return PATIENT_MS / 1000


def call_for(seconds: float, leased: Leases[str, str], *keys: str) -> list[float]:
    """Call repeatedly, and return how long each call took."""
    until, took = time.monotonic() + seconds, []
    while time.monotonic() < until:
        began = time.monotonic()
        assert [leased.get(key) for key in keys] == ["good"] * len(keys)
        took.append(time.monotonic() - began)
        time.sleep(0.002)
    return took


@needs_a_server
def test_frequent_caller_waits_for_one_read(patient: float) -> None:
    seconds = patient / 10
    read = Slow(seconds)
    leased: Leases[str, str] = Leases(read)
    leased.get("secret")
    took = call_for(2.5 * patient, leased, "secret")
    assert read.threads[0] == "MainThread"
    assert set(read.threads[1:]) == {"leases"}
    assert 3 <= len(read.threads) <= 5
    assert sum(each >= seconds for each in took) <= 1, "and this is the machine's doing"


@needs_a_server
def test_renewal_before_the_commit_ends_in_time() -> None:
    read = Slow(LEASE_MS / 1000 / 4)
    elsewhere: Leases[str, str] = Leases(read)
    elsewhere.get("secret")
    while len(read.threads) < 2:
        assert elsewhere.get("secret") == "good"
    read.state = "revoked"  # while it is being renewed
    leases.end()
    assert elsewhere.get("secret") == "revoked"


@needs_a_server
def test_failed_renewal_ends_the_lease_and_resumes(
    patient: float,
) -> None:
    read = Slow(0)
    leased: Leases[str, str] = Leases(read)
    leased.get("secret")
    read.is_away = True
    with pytest.raises(OperationalError):
        call_for(2 * patient, leased, "secret")
    assert "leases" in read.threads
    read.is_away = False
    read.threads.clear()
    call_for(1.5 * patient, leased, "secret")
    assert read.threads[0] == "MainThread"
    assert set(read.threads[1:]) == {"leases"}


@needs_a_server
def test_due_leases_are_renewed_in_one_read(patient: float) -> None:
    read = Slow(0)
    leased: Leases[str, str] = Leases(read)
    keys = [f"secret {number}" for number in range(40)]
    for key in keys:
        leased.get(key)
    read.threads.clear()
    call_for(patient, leased, *keys)
    assert set(read.threads) == {"leases"}
    assert len(read.threads) <= 5


@needs_a_server
def test_renewal_of_a_missing_row_ends_the_lease(patient: float) -> None:
    read = Slow(0)
    leased: Leases[str, str] = Leases(read)
    assert leased.get("secret") == "good"
    read.state = ""
    time.sleep(patient * 0.7)
    assert leased.get("secret") == "good"
    until = time.monotonic() + 10
    while len(leased):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_leased_key_expires_to_the_microsecond(
    issue_public_key: Callable[..., Issued], settings: Settings
) -> None:
    settings.KEYWAY_LEASE_MS = LONG_MS
    expires_at = timezone.now() + timedelta(days=1)
    issued = issue_public_key(expires_at=expires_at)
    assert isinstance(
        verify(issued.plaintext.reveal(), now=expires_at - timedelta(microseconds=1)), Credential
    )
    assert queries(lambda: verify(issued.plaintext.reveal(), now=expires_at)) == 0
    assert verify(issued.plaintext.reveal(), now=expires_at) == Denial(Reason.EXPIRED_KEY)
