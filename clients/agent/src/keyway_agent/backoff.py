"""Exponential backoff. Jitter keeps a thousand agents from retrying in the same instant."""

import random
from dataclasses import dataclass, field

from keyway_agent.answers import Busy, NeedsAttention, TemporaryFailure

FIRST_SECONDS = 0.5
CAP_SECONDS = 60.0
# For failures that only a person can clear.
SLOW_SECONDS = 60.0


@dataclass(slots=True)
class Backoff:
    """Counts consecutive failures. Use one instance per kind of request."""

    _failures: int = 0
    _random: random.Random = field(default_factory=random.SystemRandom)

    def reset(self) -> None:
        self._failures = 0

    def seconds_after(self, failure: TemporaryFailure) -> float:
        """Return the seconds to wait after this failure, never less than the server asked for."""
        self._failures += 1
        if isinstance(failure, NeedsAttention):
            return SLOW_SECONDS * self._random.uniform(1.0, 1.25)
        if isinstance(failure, Busy) and failure.retry_after is not None:
            return failure.retry_after + self._random.uniform(0.0, 1.0 + failure.retry_after * 0.1)
        ceiling = min(CAP_SECONDS, FIRST_SECONDS * 2 ** min(self._failures, 16))
        return self._random.uniform(ceiling / 2, ceiling)
