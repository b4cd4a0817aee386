import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from pytest_django import Settings

from apikeys import conf
from apikeys.verify import hashing


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect every Argon2 verification."""
    runs: list[str] = []
    real: Callable[..., bool] = PasswordHasher.verify

    def verify(self: PasswordHasher, proof: str, secret: str) -> bool:
        runs.append(proof)
        return bool(real(self, proof, secret))

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    return runs


def test_proof_uses_the_argon2_settings_in_force(settings: Settings) -> None:
    settings.KEYWAY_ARGON2_MEMORY_KIB, settings.KEYWAY_ARGON2_TIME_COST = 19456, 2
    assert hashing.make_proof("secret").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_proof_is_cached_for_its_row_only(
    counted: list[str],
) -> None:
    first, second = hashing.make_proof("secret"), hashing.make_proof("secret")
    assert hashing.holds("secret", first)
    assert hashing.holds("secret", first)
    assert counted == [first]
    assert hashing.holds("secret", second)
    assert counted == [first, second]


def test_wrong_secret_is_never_cached(counted: list[str]) -> None:
    proof = hashing.make_proof("secret")
    assert not hashing.holds("wrong", proof)
    assert not hashing.holds("wrong", proof)
    assert len(counted) == 2


@pytest.mark.parametrize("proof", ["", "garbage", "$argon2id$garbage"])
def test_damaged_proof_refuses(proof: str) -> None:
    assert not hashing.holds("secret", proof)


def test_old_proofs_hold_after_a_policy_change(settings: Settings) -> None:
    proof = hashing.make_proof("secret")
    settings.KEYWAY_ARGON2_TIME_COST = 3
    assert hashing.holds("secret", proof)
    assert "t=3" in hashing.make_proof("secret")


def test_full_pool_raises_after_the_bounded_wait(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEYWAY_HASH_WAIT_MS = 50
    monkeypatch.setattr(hashing, "pool", hashing._Pool(1))
    entered, leave = threading.Event(), threading.Event()

    def occupy() -> None:
        with hashing.pool:
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=occupy)
    thread.start()
    assert entered.wait(60)
    with pytest.raises(hashing.PoolFull):
        hashing.make_proof("secret")
    leave.set()
    thread.join()
    assert hashing.make_proof("secret")


def test_proof_cache_is_bounded_and_holds_no_secret() -> None:
    memory = hashing._Memory(size=10)
    entries = [memory.entry(f"secret {n}", "proof") for n in range(50)]
    for entry in entries:
        memory.add(entry)
    assert len(memory._entries) == 10
    assert entries[-1] in memory
    assert entries[0] not in memory
    assert not any(b"secret" in entry for entry in memory._entries)
    assert hashing._Memory(size=10).entry("secret 49", "proof") != entries[-1]
    assert memory.entry("ab", "c") != memory.entry("a", "bc")


def test_concurrent_proofs_run_argon2_once(
    counted: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEYWAY_HASH_WAIT_MS = 10_000
    monkeypatch.setattr(hashing, "pool", hashing._Pool(1))
    proof = hashing.make_proof("secret")
    outcomes: list[bool] = []
    work = threading.Barrier(4)

    def present() -> None:
        work.wait(10)
        outcomes.append(hashing.holds("secret", proof))

    threads = [threading.Thread(target=present) for _ in range(4)]
    with hashing.pool:
        for thread in threads:
            thread.start()
        time.sleep(0.1)  # all of them missed the cache and wait for a place
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 4
    assert counted == [proof]


def test_pool_wait_is_a_setting(settings: Settings) -> None:
    settings.KEYWAY_HASH_WAIT_MS = 1500
    assert conf.hash_wait() == timedelta(seconds=1.5)
