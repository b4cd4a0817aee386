"""Leases: a process may reuse what it read, for a short time counted from before the read began.

Whatever takes power away commits, and is answered only after one lease has passed. A lease that was read
before the commit is over by then, in every process on every host, without a message between them; one
that is read later sees the change. So no request that *starts* after the answer is accepted. Gray and
Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed file cache consistency", 1989,
with the terms so short that nobody has to be called back.

What it rests on: the clock is monotonic and counts from before the read; the read goes to the primary,
outside any transaction (a snapshot would be older than it looks); the wait begins after the commit.

Whoever calls often need not wait for the database at the end of each lease: what is used late in its lease is read
anew by a thread, beside the request. That is a lease like any other, counted from before that read.
"""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from tenants import conf

logger = logging.getLogger(__name__)

MOST_LEASES = 10_000
# Shares of a lease. What is left of it has to be enough for the thread's pause and a read.
RENEWED_AT = 0.6
RENEWED_EVERY = 0.1
LEAST_PAUSE_SECONDS = 0.01
IDLE_SECONDS = 5.0
MOST_AT_ONCE = 256

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Receipt:
    """From `effective_at` on, no request that starts is accepted with what was taken away."""

    effective_at: datetime


class _Held(NamedTuple, Generic[Value]):
    """`began` is of time.monotonic, from before the read."""

    began: float
    value: Value


@dataclass(slots=True)
class _Reading(Generic[Value]):
    """A read under way, and what came of it; whoever misses meanwhile waits for it instead of reading too."""

    done: threading.Event
    began: float
    value: Value | None = None


class Leases(Generic[Key, Value]):
    """What this process has read lately, by key. Bounded: the oldest goes first."""

    def __init__(
        self, read: Callable[[Sequence[Key]], Mapping[Key, Value]], most: int = MOST_LEASES
    ) -> None:
        """`read` returns what there is of at least one key."""
        self._read = read
        self._most = most
        self._lock = threading.Lock()
        self._held: dict[Key, _Held[Value]] = {}
        self._readings: dict[Key, _Reading[Value]] = {}
        # In the order in which they were asked for.
        self._due: dict[Key, None] = {}
        self._is_renewing = False

    def get(self, key: Key) -> Value | None:
        """Return what is leased, or read it. None is never leased, so that a new key works at once."""
        seconds = conf.lease().total_seconds()
        held = self._held.get(key)
        if held is not None:
            age = time.monotonic() - held.began
            if age < seconds:
                if age > seconds * RENEWED_AT:
                    self._ask_anew(key)
                return held.value
        if not seconds or transaction.get_connection().in_atomic_block:
            return self._read([key]).get(key)
        return self._share(key, seconds)

    def clear(self) -> None:
        with self._lock:
            self._held.clear()

    def __len__(self) -> int:
        return len(self._held)

    def _share(self, key: Key, seconds: float) -> Value | None:
        with self._lock:
            reading = self._readings.get(key)
            if reading is None:
                own = self._readings[key] = _Reading(threading.Event(), time.monotonic())
        if reading is None:
            return self._read_for_all(key, own)
        reading.done.wait(seconds)
        # It may have failed, found nothing, or taken longer than a lease lasts: then read for oneself.
        if reading.value is not None and time.monotonic() < reading.began + seconds:
            return reading.value
        return self._read([key]).get(key)

    def _read_for_all(self, key: Key, own: _Reading[Value]) -> Value | None:
        try:
            own.value = self._read([key]).get(key)
            with self._lock:
                self._hold(key, own.began, own.value)
        finally:
            with self._lock:
                del self._readings[key]
            own.done.set()
        return own.value

    def _hold(self, key: Key, began: float, value: Value | None) -> None:
        """Call with the lock. What was read later stays."""
        held = self._held.get(key)
        if held and held.began > began:
            return
        self._held.pop(key, None)
        if value is not None:
            self._held[key] = _Held(began, value)
            while len(self._held) > self._most:
                del self._held[next(iter(self._held))]

    def _ask_anew(self, key: Key) -> None:
        """SQLite is in this process: nobody waits for it, and a thread would take the time that it spares."""
        if connection.vendor == "sqlite":
            return
        self._due[key] = None
        with self._lock:
            was_renewing, self._is_renewing = self._is_renewing, True
        if was_renewing:
            return
        try:
            threading.Thread(target=self._renew, name="leases", daemon=True).start()
        except RuntimeError:  # no more threads are to be had: leases just end
            self._is_renewing = False

    def _renew(self) -> None:
        """Until nothing is due for a while. Where the database is away leases just end, and whoever calls then is told."""
        try:
            until = time.monotonic() + IDLE_SECONDS
            while time.monotonic() < until:
                if due := list(self._due)[:MOST_AT_ONCE]:
                    self._read_anew(due)
                    until = time.monotonic() + IDLE_SECONDS
                if len(due) < MOST_AT_ONCE:
                    time.sleep(
                        max(conf.lease().total_seconds() * RENEWED_EVERY, LEAST_PAUSE_SECONDS)
                    )
        except (DatabaseError, InterfaceError) as error:
            logger.debug("Leases are not renewed: %s", error)
        finally:
            self._due.clear()
            self._is_renewing = False
            connection.close()

    def _read_anew(self, due: Sequence[Key]) -> None:
        began, found = time.monotonic(), self._read(due)
        with self._lock:
            for key in due:
                self._hold(key, began, found.get(key))
                del self._due[key]


_every: list[Leases[Any, Any]] = []
_request = threading.local()


def register(leases: Leases[Key, Value]) -> Leases[Key, Value]:
    """Have these leases dropped in this process whenever power is taken away."""
    _every.append(leases)
    return leases


def end() -> Receipt:
    """Call after the transaction that took power away: wait until no lease can still grant it.

    Inside a transaction of the caller's, the wait follows that one's commit, and so does what the receipt promises.
    """
    transaction.on_commit(_committed)
    waited = not (transaction.get_connection().in_atomic_block or _waits_later())
    return Receipt(effective_at=timezone.now() + (timedelta(0) if waited else conf.lease()))


@contextmanager
def one_wait() -> Iterator[None]:
    """Put the waits of all changes made inside together: one lease after the last commit, on the way out."""
    _request.until = 0.0
    try:
        yield
    finally:
        until, _request.until = _request.until, None
        _sleep(until)


def _committed() -> None:
    for leases in _every:
        leases.clear()
    until = time.monotonic() + conf.lease().total_seconds()
    if _waits_later():
        _request.until = until
    else:
        _sleep(until)


def _waits_later() -> bool:
    return getattr(_request, "until", None) is not None


def _sleep(until: float) -> None:
    remaining = until - time.monotonic()
    if remaining > 0:
        time.sleep(remaining)
