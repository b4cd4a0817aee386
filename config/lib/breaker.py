"""Circuit breaker for calls to Redis and the database.

After a failure, callers fail fast for OPEN_SECONDS. Then a single caller probes while the others
still fail fast. Without it, an outage would keep every thread waiting for its own timeout.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

logger = logging.getLogger(__name__)

OPEN_SECONDS = 1.0

Result = TypeVar("Result")


class CircuitOpen(Exception):
    """The call failed, or was skipped because another one failed just before."""


class CircuitBreaker:
    """Thread-safe. `name` appears in the log. `errors` are the exceptions that open the circuit."""

    def __init__(self, name: str, errors: type[Exception]) -> None:
        self._name = name
        self._errors = errors
        self._open_until = 0.0  # 0.0 while closed
        self._probe_lock = threading.Lock()
        self._state_lock = threading.Lock()

    def call(self, function: Callable[[], Result]) -> Result:
        """Return the function's result. Raises CircuitOpen."""
        if not self._open_until:
            return self._call(function)
        # A caller that misses the lock does not wait for the probe, which may take a full timeout.
        if time.monotonic() < self._open_until or not self._probe_lock.acquire(blocking=False):
            raise CircuitOpen()
        try:
            return self._call(function)
        finally:
            self._probe_lock.release()

    def _call(self, function: Callable[[], Result]) -> Result:
        try:
            result = function()
        except self._errors as error:
            if not self._swap_open_until(time.monotonic() + OPEN_SECONDS):
                logger.warning("%s is unavailable: %s", self._name, error)
            raise CircuitOpen() from error
        if self._open_until and self._swap_open_until(0.0):
            logger.warning("%s is available again", self._name)
        return result

    def _swap_open_until(self, until: float) -> float:
        """Set a new deadline and return the old one, so that only one of many threads logs it."""
        with self._state_lock:
            before, self._open_until = self._open_until, until
        return before
