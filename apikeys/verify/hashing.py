"""Argon2id proofs, in a pool bounded by the CPU count, and the memory of proofs that held.

An Argon2id run takes 19 MiB and tens of milliseconds of a core. Without a bound, strangers who hold
one valid secret each could queue us to death; past the bound's wait the answer is 503, not a longer queue.
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
    """No place in the pool within the time a caller may wait."""


class _Pool:
    def __init__(self, size: int) -> None:
        self._places = threading.BoundedSemaphore(size)

    def __enter__(self) -> None:
        if not self._places.acquire(timeout=conf.hash_wait().total_seconds()):
            raise PoolFull()

    def __exit__(self, *exc: object) -> None:
        self._places.release()


class _Memory:
    """Which secrets proved which row, as HMACs under a key that dies with the process. Bounded; oldest out first.

    A memory dump gives nothing to present, and a row whose proof changed is another entry: it must be proved again.
    """

    def __init__(self, size: int) -> None:
        # Keyed once, and copied: hmac.digest would let other threads in at each call, which costs more than the hash.
        self._keyed = hmac.new(secrets.token_bytes(32), digestmod=hashlib.sha256)
        self._size = size
        self._entries: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def entry(self, secret: str, proof: str) -> bytes:
        mac = self._keyed.copy()
        mac.update(f"{secret}\0{proof}".encode())
        return mac.digest()

    def __contains__(self, entry: bytes) -> bool:
        return entry in self._entries

    def add(self, entry: bytes) -> None:
        with self._lock:
            self._entries[entry] = None
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


pool = _Pool(os.cpu_count() or 1)
memory = _Memory(REMEMBERED)


def make_proof(secret: str) -> str:
    """Hash with the parameters in force; they travel in the proof, so policy can move. Raises PoolFull."""
    memory_kib, passes = conf.argon2_policy()
    with pool:
        return PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1).hash(secret)


def holds(secret: str, proof: str) -> bool:
    """Tell whether `secret` made `proof`: one Argon2id run per process and secret, a dictionary look-up after that.

    Raises PoolFull.
    """
    entry = memory.entry(secret, proof)
    if entry in memory:
        return True
    with pool:
        if entry in memory:  # somebody proved it while we waited for a place
            return True
        try:
            PasswordHasher().verify(proof, secret)
        except (VerificationError, InvalidHashError):
            return False
    memory.add(entry)
    return True
