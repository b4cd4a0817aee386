import threading
from datetime import timedelta

import pytest
from pytest_django import Settings

from apikeys.verify import hashing


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every Argon2 verification from here on."""
    runs: list[str] = []
    real = hashing.PasswordHasher.verify

    def verify(self: hashing.PasswordHasher, proof: str, secret: str) -> bool:
        runs.append(proof)
        return bool(real(self, proof, secret))

    monkeypatch.setattr(hashing.PasswordHasher, "verify", verify)
    return runs


def test_a_proof_is_argon2id_with_the_parameters_in_force(settings: Settings) -> None:
    settings.KEYWAY_ARGON2_MEMORY_KIB, settings.KEYWAY_ARGON2_TIME_COST = 19456, 2
    assert hashing.make_proof("secret").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_proof_that_held_is_remembered_and_a_changed_row_is_proved_again(
    counted: list[str],
) -> None:
    first, second = hashing.make_proof("secret"), hashing.make_proof("secret")
    assert hashing.holds("secret", first)
    assert hashing.holds("secret", first)
    assert counted == [first]
    assert hashing.holds("secret", second)
    assert counted == [first, second]


def test_a_wrong_secret_is_never_remembered(counted: list[str]) -> None:
    proof = hashing.make_proof("secret")
    assert not hashing.holds("wrong", proof)
    assert not hashing.holds("wrong", proof)
    assert len(counted) == 2


def test_a_row_that_holds_no_proof_refuses() -> None:
    assert not hashing.holds("secret", "$argon2id$garbage")


def test_old_proofs_hold_after_the_policy_moved(settings: Settings) -> None:
    proof = hashing.make_proof("secret")
    settings.KEYWAY_ARGON2_TIME_COST = 3
    assert hashing.holds("secret", proof)
    assert "t=3" in hashing.make_proof("secret")


def test_past_the_bounded_wait_the_pool_is_full(
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


def test_the_memory_is_bounded_and_holds_no_secret() -> None:
    memory = hashing._Memory(size=10)
    entries = [memory.entry(f"secret {n}", "proof") for n in range(50)]
    for entry in entries:
        memory.add(entry)
    assert len(memory._entries) == 10
    assert entries[-1] in memory
    assert entries[0] not in memory
    assert not any(b"secret" in entry for entry in memory._entries)


def test_the_wait_is_a_setting(settings: Settings) -> None:
    settings.KEYWAY_HASH_WAIT_MS = 1500
    assert hashing.conf.hash_wait() == timedelta(seconds=1.5)
