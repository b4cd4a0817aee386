"""Leases: a process may reuse a value for a short time, counted from before it was read.

A change that takes power away commits, and its response leaves only after one full lease. By then
every lease that was read before the commit has ended, in every process on every host, without a
message between them. A lease that was read after the commit sees the change. So no request that
*starts* after the response is accepted. This is Gray and Cheriton, "Leases: an efficient
fault-tolerant mechanism for distributed file cache consistency", 1989, with terms so short that
they need no call-backs.

This rests on three conditions. The clock is monotonic and is read before the database. The read
goes to the primary and outside any transaction, because a snapshot is older than it looks. The wait
begins after the commit.

Callers that ask often do not wait for the database at the end of each lease. A value that is used
late in its lease is renewed by a background thread. The renewed lease is like any other, counted
from before its read.
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
# Shares of a lease. After RENEWED_AT, the rest must be enough for the thread's pause and one read.
RENEWED_AT = 0.6
RENEWED_EVERY = 0.1
LEAST_PAUSE_SECONDS = 0.01
IDLE_SECONDS = 5.0
MOST_AT_ONCE = 256

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The promise that no request which starts from `effective_at` on has the old rights."""

    effective_at: datetime


class _Held(NamedTuple, Generic[Value]):
    """A leased value. `began` is time.monotonic() from before the read."""

    began: float
    value: Value


@dataclass(slots=True)
class _Reading(Generic[Value]):
    """A read in progress and its result. Concurrent misses of the same key wait for it."""

    done: threading.Event
    began: float
    value: Value | None = None


class Leases(Generic[Key, Value]):
    """A cache of recent reads in this process, by key.

    Thread-safe. Bounded: the oldest goes first.
    """

    def __init__(
        self, read: Callable[[Sequence[Key]], Mapping[Key, Value]], most: int = MOST_LEASES
    ) -> None:
        """`read` takes at least one key, and returns the values of those that exist."""
        self._read = read
        self._most = most
        self._lock = threading.Lock()
        self._held: dict[Key, _Held[Value]] = {}
        self._readings: dict[Key, _Reading[Value]] = {}
        # Keys to renew, in the order of the requests for them.
        self._due: dict[Key, None] = {}
        self._is_renewing = False

    def get(self, key: Key) -> Value | None:
        """Return the leased value, or read it."""
        # At every call: a process that shortens its lease must not go on trusting the longer one.
        seconds = conf.lease().total_seconds()
        # Without the lock: one dictionary read is atomic, and entries are replaced, never changed.
        held = self._held.get(key)
        if held is not None:
            age = time.monotonic() - held.began
            # `<`: at exactly one lease the value is over, since the change waits exactly that long.
            if age < seconds:
                if age > seconds * RENEWED_AT:
                    self._request_renewal(key)
                return held.value
        # Inside a transaction the read sees a snapshot, or the caller's own uncommitted change.
        # Neither may be leased: the first is older than its clock says, the second may be rolled
        # back.
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
                # The clock is read here, before the database. Read after it, a lease would start
                # late by the length of the query, and a revocation would be answered while it still
                # runs.
                own = self._readings[key] = _Reading(threading.Event(), time.monotonic())
        # Outside the lock: a slow query for one key must not hold up the callers of all others.
        if reading is None:
            return self._read_for_all(key, own)
        # Bounded, so that a read that hangs cannot hold its waiters for longer than a lease.
        reading.done.wait(seconds)
        # The shared read may have failed, found nothing, or taken longer than a lease. Then read
        # again: a value older than one lease may predate a change that was already answered.
        if reading.value is not None and time.monotonic() < reading.began + seconds:
            return reading.value
        return self._read([key]).get(key)

    def _read_for_all(self, key: Key, own: _Reading[Value]) -> Value | None:
        try:
            own.value = self._read([key]).get(key)
            with self._lock:
                self._hold(key, own.began, own.value)
        finally:
            # Also after an error. Otherwise every later caller of this key would wait for a read
            # that has ended. Removed before the event, so that no new caller joins a finished read.
            with self._lock:
                del self._readings[key]
            own.done.set()
        return own.value

    def _hold(self, key: Key, began: float, value: Value | None) -> None:
        """Lease a value. Call with the lock held."""
        held = self._held.get(key)
        # A slow read may finish after a faster one that began later. The later read knows more:
        # replacing it could bring back rights that it saw revoked.
        if held and held.began > began:
            return
        # Removed first, so that a renewed key moves to the young end and a missing row ends its
        # lease.
        self._held.pop(key, None)
        # None is never leased: a key that was just issued works at once, and random lookups take no
        # room.
        if value is not None:
            self._held[key] = _Held(began, value)
            while len(self._held) > self._most:
                del self._held[next(iter(self._held))]

    def _request_renewal(self, key: Key) -> None:
        # SQLite runs in this process: there is no wait to save, and a thread would cost more than
        # it saves.
        if connection.vendor == "sqlite":
            return
        self._due[key] = None
        # Test and set under the lock, so that a crowd of callers starts one thread and not one
        # each.
        with self._lock:
            was_renewing, self._is_renewing = self._is_renewing, True
        if was_renewing:
            return
        try:
            threading.Thread(target=self._renew, name="leases", daemon=True).start()
        except RuntimeError:
            # The system has no more threads. Leases end, callers read for themselves, and the next
            # request for a renewal tries again.
            self._is_renewing = False

    def _renew(self) -> None:
        """Renew due leases until none has been due for IDLE_SECONDS.

        If the database is unreachable, let them end. The next caller gets the error.
        """
        try:
            until = time.monotonic() + IDLE_SECONDS
            while time.monotonic() < until:
                if due := list(self._due)[:MOST_AT_ONCE]:
                    self._renew_all(due)
                    until = time.monotonic() + IDLE_SECONDS
                if len(due) < MOST_AT_ONCE:
                    time.sleep(
                        max(conf.lease().total_seconds() * RENEWED_EVERY, LEAST_PAUSE_SECONDS)
                    )
        except (DatabaseError, InterfaceError) as error:
            logger.debug("Leases could not be renewed: %s", error)
        finally:
            # Cleared before the flag. After it, another thread may have started already, and
            # clearing would drop its keys.
            self._due.clear()
            self._is_renewing = False
            # Django closes only the connections of requests. This one would stay open for good.
            connection.close()

    def _renew_all(self, due: Sequence[Key]) -> None:
        # In this order: the clock before the read, as in `_share`.
        began, found = time.monotonic(), self._read(due)
        with self._lock:
            for key in due:
                self._hold(key, began, found.get(key))
                del self._due[key]


_registered: list[Leases[Any, Any]] = []
_request = threading.local()


def register(leases: Leases[Key, Value]) -> Leases[Key, Value]:
    """Drop these leases in this process at every change that takes power away."""
    _registered.append(leases)
    return leases


def end() -> Receipt:
    """Wait until no lease can still grant what was taken away. Call after the change.

    Inside a caller's transaction, both the wait and the promise of the receipt begin with its
    commit.
    """
    # on_commit and not now: a lease that is read between the wait and the commit would still see
    # the old row and outlast the response. A change that is rolled back waits for nothing.
    transaction.on_commit(_wait_after_commit)
    waited = not (transaction.get_connection().in_atomic_block or _waits_later())
    return Receipt(effective_at=timezone.now() + (timedelta(0) if waited else conf.lease()))


@contextmanager
def one_wait() -> Iterator[None]:
    """Combine the waits of all changes made inside into one, counted from the last commit."""
    _request.until = 0.0
    try:
        yield
    finally:
        # Also after an error: a change that was committed before it is in force, and its response,
        # even one that reports the error, must not leave before the last lease has ended.
        until, _request.until = _request.until, None
        _sleep(until)


def _wait_after_commit() -> None:
    # This process first, so that the thread that made the change sees it at once.
    for leases in _registered:
        leases.clear()
    # The clock starts here, after the commit. Other processes may have read just before it.
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
