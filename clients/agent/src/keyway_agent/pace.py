"""How long to wait before asking again. Jitter keeps a thousand agents from coming back in the same moment."""

import random
from dataclasses import dataclass, field

from keyway_agent.answers import Busy, Obstacle, Suspended

FIRST_SECONDS = 0.5
CAP_SECONDS = 60.0
# For what only a person can undo.
SLOW_SECONDS = 60.0


@dataclass(slots=True)
class Pace:
    """One for each thing that is asked again and again."""

    _failures: int = 0
    _random: random.Random = field(default_factory=random.SystemRandom)

    def succeeded(self) -> None:
        self._failures = 0

    def after(self, obstacle: Obstacle) -> float:
        """Seconds to wait after this one. Never less than the server asked for."""
        self._failures += 1
        if isinstance(obstacle, Suspended):
            return SLOW_SECONDS * self._random.uniform(1.0, 1.25)
        if isinstance(obstacle, Busy) and obstacle.after is not None:
            return obstacle.after + self._random.uniform(0.0, 1.0 + obstacle.after * 0.1)
        ceiling = min(CAP_SECONDS, FIRST_SECONDS * 2 ** min(self._failures, 16))
        return self._random.uniform(ceiling / 2, ceiling)
