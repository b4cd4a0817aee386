"""Asking what may be away: whoever finds it so keeps all others from waiting for it, for a second. Then one looks again."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 1.0

Answer = TypeVar("Answer")


class Away(Exception):
    """It did not answer, or was not asked because it did not answer just before."""


class Breaker:
    """Thread-safe. `name` is for the log; `errors` are how the question fails when nobody answers it."""

    def __init__(self, name: str, errors: type[Exception]) -> None:
        self._name = name
        self._errors = errors
        self._until = 0.0
        self._looking = threading.Lock()
        self._turning = threading.Lock()

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Raises Away."""
        if not self._until:
            return self._ask(question)
        if time.monotonic() < self._until or not self._looking.acquire(blocking=False):
            raise Away()
        try:
            return self._ask(question)
        finally:
            self._looking.release()

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        try:
            answer = question()
        except self._errors as error:
            if not self._turn(time.monotonic() + LOOK_AGAIN_SECONDS):
                logger.warning("%s does not answer: %s", self._name, error)
            raise Away() from error
        if self._until and self._turn(0.0):
            logger.warning("%s answers again", self._name)
        return answer

    def _turn(self, until: float) -> float:
        """Until when it was taken to be away. Many find out at once, and one of them says so."""
        with self._turning:
            before, self._until = self._until, until
        return before
