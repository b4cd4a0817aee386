"""Leases: a process may reuse what it read, for a short time counted from before the read began.

Whatever takes power away commits, and is answered only after one lease has passed. A lease that was read
before the commit is over by then, in every process on every host, without a message between them; one
that is read later sees the change. So no request that *starts* after the answer is accepted. Gray and
Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed file cache consistency", 1989,
with the terms so short that nobody has to be called back.

What it rests on: the clock is monotonic and counts from before the read; the read goes to the primary,
outside any transaction (a snapshot would be older than it looks); the wait begins after the commit.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from django.db import transaction
from django.utils import timezone

from tenants import conf

MOST_LEASES = 10_000

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Receipt:
    """From `effective_at` on, no request that starts is accepted with what was taken away."""

    effective_at: datetime


@dataclass(slots=True)
class _Reading(Generic[Value]):
    """A read under way, and what came of it; whoever misses meanwhile waits for it instead of reading too."""

    done: threading.Event
    began: float
    value: Value | None = None


class Leases(Generic[Value]):
    """What this process has read lately, by key. Bounded: the oldest goes first."""

    def __init__(self, most: int = MOST_LEASES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._held: dict[Hashable, tuple[float, Value]] = {}
        self._readings: dict[Hashable, _Reading[Value]] = {}

    def get(self, key: Hashable, read: Callable[[], Value | None]) -> Value | None:
        """Return what is leased, or `read()`. None is never leased, so that a new key works at once."""
        seconds = conf.lease().total_seconds()
        held = self._held.get(key)
        if held is not None and time.monotonic() < held[0] + seconds:
            return held[1]
        if not seconds or transaction.get_connection().in_atomic_block:
            return read()
        return self._share(key, read, seconds)

    def clear(self) -> None:
        with self._lock:
            self._held.clear()

    def __len__(self) -> int:
        return len(self._held)

    def _share(self, key: Hashable, read: Callable[[], Value | None], seconds: float) -> Value | None:
        with self._lock:
            reading = self._readings.get(key)
            if reading is None:
                own = self._readings[key] = _Reading(threading.Event(), time.monotonic())
        if reading is None:
            return self._read(key, own, read)
        reading.done.wait(seconds)
        # It may have failed, found nothing, or taken longer than a lease lasts: then read for oneself.
        if reading.value is not None and time.monotonic() < reading.began + seconds:
            return reading.value
        return read()

    def _read(self, key: Hashable, own: _Reading[Value], read: Callable[[], Value | None]) -> Value | None:
        try:
            own.value = read()
        finally:
            with self._lock:
                del self._readings[key]
                if own.value is not None:
                    self._held.pop(key, None)
                    self._held[key] = (own.began, own.value)
                    while len(self._held) > self._most:
                        del self._held[next(iter(self._held))]
            own.done.set()
        return own.value


_every: list[Leases[object]] = []
_request = threading.local()


def register(leases: Leases[Value]) -> Leases[Value]:
    """Have these leases dropped in this process whenever power is taken away."""
    _every.append(leases)  # type: ignore[arg-type]
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
