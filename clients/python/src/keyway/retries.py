"""Retry policy. A generator yields the next step, and the sync or async client carries it out."""

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
    """`most` is the number of retries, `longest_wait` their total waiting time in seconds."""

    most: int = 3
    longest_wait: float = 60.0


Exchange = Generator[Call[T] | Pause, Answer | Failure | None, T]


def exchange(
    call: Call[T], retries: Retries, jitter: Callable[[], float] = random.random
) -> Exchange[T]:
    """Yield a call to send or a pause to take; receive the call's outcome; return its result.

    Raises KeywayError. `jitter` returns numbers from 0 to 1.
    """
    waited = 0.0
    for attempt in range(retries.most + 1):
        outcome = yield call
        assert outcome is not None  # noqa: S101  sent for every call
        error = error_in(outcome)
        if error is None and isinstance(outcome, Answer):
            return call.read(outcome)
        assert error is not None  # noqa: S101  every Failure is an error
        seconds = pause(error, attempt, jitter())
        if (
            attempt == retries.most
            or not may_retry(call, error)
            or waited + seconds > retries.longest_wait
        ):
            raise error
        logger.info(
            "%s %s: %s; retrying in %.2f s",
            call.method,
            call.path,
            error.code or error.status,
            seconds,
        )
        waited += seconds
        yield Pause(seconds)
    raise AssertionError("unreachable")


def may_retry(call: Call[T], error: KeywayError) -> bool:
    """Whether a failed call may be sent again.

    A 429, and a call that was never sent, were certainly not carried out. Any other lost answer,
    and a 503 even with Retry-After, may have been, so the call must be idempotent.
    """
    if isinstance(error, ConnectionFailed):
        return call.is_idempotent or error.never_sent
    return isinstance(error, RateLimited) or (call.is_idempotent and isinstance(error, Unavailable))


def pause(error: KeywayError, attempt: int, jitter: float) -> float:
    """Return the seconds to wait: exponential, half of it random.

    If the server sent Retry-After, wait that long plus jitter, never less.
    """
    most = min(FIRST_SECONDS * 2**attempt, MOST_SECONDS)
    retry_after = error.retry_after if isinstance(error, RateLimited | Unavailable) else None
    return most * (1 + jitter) / 2 if retry_after is None else retry_after + FIRST_SECONDS * jitter
