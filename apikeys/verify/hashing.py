"""Argon2id proofs in a pool bounded by the CPU count, and a cache of the proofs that held.

One Argon2id run takes 19 MiB and tens of milliseconds of a core. Without a bound, callers who each
hold one valid secret could queue enough runs to stop the service. A caller that finds no place in
the pool in time gets a 503 instead of a longer queue.
"""

import hashlib
import hmac
import os
import secrets
import threading
from collections import OrderedDict

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from apikeys import conf
from config.lib.errors import Unavailable

REMEMBERED = 100_000


class PoolFull(Unavailable):
    """No place in the pool became free within the time that a caller waits."""


class _Pool:
    def __init__(self, size: int) -> None:
        self._places = threading.BoundedSemaphore(size)

    def __enter__(self) -> None:
        # Never wait without a limit: each waiting caller holds a server thread, and with all
        # threads waiting here nothing else is answered, not even a secret whose proof is cached.
        if not self._places.acquire(timeout=conf.hash_wait().total_seconds()):
            raise PoolFull()

    def __exit__(self, *exc: object) -> None:
        self._places.release()


class _Memory:
    """A bounded cache of which secrets proved which rows. The oldest entry goes first."""

    def __init__(self, size: int) -> None:
        # A random key that exists only in this process: a memory dump gives nothing to present, and
        # nothing to test guesses against in any other process.
        # Keyed once and copied per call. hmac.digest releases the GIL at each call, and waiting to
        # get it back costs more than the hash.
        self._keyed = hmac.new(secrets.token_bytes(32), digestmod=hashlib.sha256)
        self._size = size
        self._entries: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def entry(self, secret: str, proof: str) -> bytes:
        mac = self._keyed.copy()
        # The proof is part of the entry. With the secret alone, a secret that once held would be
        # accepted against any row, also after its row was given another proof.
        # The zero byte is in neither part, so no other pair makes the same bytes.
        mac.update(f"{secret}\0{proof}".encode())
        return mac.digest()

    def __contains__(self, entry: bytes) -> bool:
        return entry in self._entries

    def add(self, entry: bytes) -> None:
        with self._lock:
            self._entries[entry] = None
            while len(self._entries) > self._size:
                # Oldest first. Newest first would drop the entry just added, and a full cache would
                # run Argon2 at every request of every new key.
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


pool = _Pool(os.cpu_count() or 1)
memory = _Memory(REMEMBERED)


def make_proof(secret: str) -> str:
    """Hash with the parameters in force. Raises PoolFull.

    The proof names its parameters, so the settings can change while old proofs stay valid.
    """
    memory_kib, passes = conf.argon2_policy()
    with pool:
        return PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1).hash(secret)


def holds(secret: str, proof: str) -> bool:
    """Return whether `secret` made `proof`. Raises PoolFull.

    Costs one Argon2id run per process and secret, and a dictionary look-up after that.
    """
    entry = memory.entry(secret, proof)
    # Before the pool: known secrets keep working while strangers fill it.
    if entry in memory:
        return True
    with pool:
        # Again inside: after a restart many requests present one secret at once. The first proves
        # it, and the others must not run Argon2 one after another when they get their place.
        if entry in memory:
            return True
        try:
            PasswordHasher().verify(proof, secret)
        except (VerificationError, InvalidHashError):
            # A damaged proof is a refusal and not a 500: the row cannot prove anything. Nothing is
            # cached, because a cache of failures would let anyone fill the memory.
            return False
    # Only after verify returned. An entry that is added before the run would let a concurrent
    # request through with a wrong secret.
    memory.add(entry)
    return True
