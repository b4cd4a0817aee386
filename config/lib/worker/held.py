import logging
import threading
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import Error as DatabaseProblem

from config.lib.worker.duties import Registration

logger = logging.getLogger(__name__)

MOST_BACKOFF = timedelta(seconds=15)


@dataclass(eq=False)
class Held:
    """A duty that this process has claimed. While it runs, only its own thread writes here."""

    row: str
    registration: Registration
    failures: int
    run_at: float
    renewed_at: float
    is_running: bool = False
    is_over: bool = False  # released, or taken over by another worker
    is_recorded: bool = False  # the row shows a success of this claim
    error: str = ""
    # Held while an outcome is recorded and while the claim is renewed. Without it, a claim that the
    # duty's thread has just released would look like one taken over by another worker.
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def renew_seconds(self) -> float:
        """How often to renew the claim and, if it is kept, to record a success."""
        return self.registration.lasts.total_seconds() / 3

    def pause(self) -> timedelta:
        """Time to the next run: the period, or after failures 2, 4, 8… seconds."""
        every = self.registration.every
        if not self.failures:
            return every
        return min(timedelta(seconds=2 ** min(self.failures, 16)), max(every, MOST_BACKOFF))

    def attempt(self) -> str:
        """Run the duty. Return the error, or an empty string."""
        try:
            self.registration.run()
        except (DatabaseProblem, OSError) as error:  # expected of a database and a disk: one line
            return f"{type(error).__name__}: {error}".strip()
        except Exception as error:  # a duty is any app's code, and must not end the others
            logger.exception("Duty %s raised", self.row)
            return f"{type(error).__name__}: {error}"
        return ""
