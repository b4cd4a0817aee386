import logging
import threading
import time

logger = logging.getLogger(__name__)

MOST_PAUSE_SECONDS = 15.0


class Outage:
    """Logs an outage of the database once when it begins and once when it ends. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._tries = 0

    def began(self, error: Exception) -> None:
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
                logger.error("No duty is claimed while the database is unavailable: %s", error)

    def is_over(self) -> None:
        with self._lock:
            if self._since is not None:
                away = time.monotonic() - self._since
                logger.warning("The database is back after %.0f s", away)
                self._since, self._tries = None, 0

    def pause(self) -> float:
        """Seconds to the next try: 1, 2, 4, 8, 15."""
        with self._lock:
            self._tries += 1
            return min(2.0 ** (self._tries - 1), MOST_PAUSE_SECONDS)
