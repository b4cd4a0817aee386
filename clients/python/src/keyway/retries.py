"""When a call is made again, and after how long. A generator: it says what to do next, and a client does it."""

import logging
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from keyway.errors import ConnectionFailed, KeywayError, RateLimited, Unavailable
from keyway.problems import error_in
from keyway.wire import Answer, Call, Failure

logger = logging.getLogger("keyway")

T = TypeVar("T")

FIRST_SECONDS = 0.25
MOST_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Retries:
    """At most so many more attempts, and at most so many seconds of waiting between them in all."""

    most: int = 3
    longest_wait: float = 60.0


Exchange = Generator[Call[T] | Pause, Answer | Failure | None, T]


def exchange(
    call: Call[T], retries: Retries, jitter: Callable[[], float] = random.random
) -> Exchange[T]:
    """Yield the call to make or the pause to take, be sent the outcome of the call; return what the answer says.

    Raises KeywayError. `jitter` gives numbers from 0 to 1.
    """
    waited = 0.0
    for attempt in range(retries.most + 1):
        outcome = yield call
        assert outcome is not None  # noqa: S101  a call has an outcome
        error = error_in(outcome)
        if error is None and isinstance(outcome, Answer):
            return call.read(outcome)
        assert error is not None  # noqa: S101  a failure is an error
        seconds = pause(error, attempt, jitter())
        if (
            attempt == retries.most
            or not may_repeat(call, error)
            or waited + seconds > retries.longest_wait
        ):
            raise error
        logger.info(
            "%s %s: %s; again in %.2f s",
            call.method,
            call.path,
            error.code or error.status,
            seconds,
        )
        waited += seconds
        yield Pause(seconds)
    raise AssertionError("unreachable")


def may_repeat(call: Call[T], error: KeywayError) -> bool:
    """A 429 was certainly not done, nor was what never left. What was not answered otherwise, or by a 503, may have been, with
    Retry-After or without, so it must bear being done twice.
    """
    if isinstance(error, ConnectionFailed):
        return call.is_idempotent or error.never_sent
    return isinstance(error, RateLimited) or (call.is_idempotent and isinstance(error, Unavailable))


def pause(error: KeywayError, attempt: int, jitter: float) -> float:
    """Exponential, a random half of it; on top of what the server asks for, never less."""
    most = min(FIRST_SECONDS * 2**attempt, MOST_SECONDS)
    told = error.retry_after if isinstance(error, RateLimited | Unavailable) else None
    return most * (1 + jitter) / 2 if told is None else told + FIRST_SECONDS * jitter
