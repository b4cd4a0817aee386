"""The heartbeat: a thread of its own, so that a server that is slow to take events still hears of us."""

import logging
import threading
from collections.abc import Callable

from keyway_agent import __version__
from keyway_agent.answers import BatchRefused, Obstacle, Refused
from keyway_agent.command import Command
from keyway_agent.errors import Unreadable
from keyway_agent.pace import Pace
from keyway_agent.server import Server
from keyway_agent.source import Source

logger = logging.getLogger(__name__)


class Heart(threading.Thread):
    """Beats until `stop` is set. A refusal for good is handed to `refused`, which may come from this thread."""

    def __init__(
        self,
        *,
        server: Server,
        source: Source,
        command: Command,
        host: str,
        stop: threading.Event,
        refused: Callable[[Refused], None],
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._server, self._source, self._command = server, source, command
        self._host, self._stop_asked, self._refused = host, stop, refused
        self._pace = Pace()
        self._last_obstacle = ""
        self._is_rotating_out = False

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                seconds = self._beat()
            except Refused as refusal:
                self._refused(refusal)
                return
            self._stop_asked.wait(seconds)

    def _beat(self) -> float:
        """Send one heartbeat; return the seconds until the next."""
        try:
            answer = self._server.heartbeat(
                {
                    "host": self._host,
                    "version": __version__,
                    "configuration_version": self._command.orders.version,
                    "queue_depth": self._depth(),
                }
            )
        except (Obstacle, BatchRefused) as obstacle:
            self._tell(obstacle)
            return self._pace.after(obstacle) if isinstance(obstacle, Obstacle) else 60.0
        if self._last_obstacle:
            logger.info("The server takes heartbeats again.")
            self._last_obstacle = ""
        self._pace.succeeded()
        self._command.note(answer.get("configuration_version"))
        self._note_rotation(is_rotating_out=answer.get("rotating_out") is True)
        interval = answer.get("heartbeat_interval_seconds")
        known = self._command.orders.heartbeat_interval_seconds
        return float(min(3600, max(1, interval))) if isinstance(interval, int) else float(known)

    def _depth(self) -> int | None:
        try:
            return self._source.behind()
        except Unreadable:
            return None

    def _tell(self, obstacle: Exception) -> None:
        if str(obstacle) != self._last_obstacle:
            self._last_obstacle = str(obstacle)
            logger.warning("No heartbeat: %s.", obstacle)

    def _note_rotation(self, *, is_rotating_out: bool) -> None:
        if is_rotating_out and not self._is_rotating_out:
            logger.warning(
                "This key is being rotated out: put its successor into AgentApiKey and restart before it ends."
            )
        self._is_rotating_out = is_rotating_out
