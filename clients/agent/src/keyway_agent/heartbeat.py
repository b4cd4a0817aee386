"""The heartbeat thread. Separate, so that a slow delivery does not make the agent look dead."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from keyway_agent import __version__
from keyway_agent.answers import BatchRefused, Refused, TemporaryFailure, printable
from keyway_agent.backoff import Backoff
from keyway_agent.errors import Unreadable
from keyway_agent.remote_configuration import RemoteConfiguration
from keyway_agent.server import Server
from keyway_agent.source import Source

logger = logging.getLogger(__name__)


class Heartbeat(threading.Thread):
    """Send heartbeats until `stop` is set.

    Calls `refused` on this thread if the server permanently refuses the key.
    """

    def __init__(
        self,
        *,
        server: Server,
        source: Source,
        configuration: RemoteConfiguration,
        host: str,
        stop: threading.Event,
        refused: Callable[[Refused], None],
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._server, self._source, self._configuration = server, source, configuration
        self._host, self._stop_asked, self._refused = host, stop, refused
        self._backoff = Backoff()
        self._last_failure = ""
        self._rotating_out = ""

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
                    "configuration_version": self._configuration.current.version,
                    "queue_depth": self._queue_depth(),
                }
            )
        except (TemporaryFailure, BatchRefused) as failure:
            self._log_failure(failure)
            return (
                self._backoff.seconds_after(failure)
                if isinstance(failure, TemporaryFailure)
                else 60.0
            )
        if self._last_failure:
            logger.info("The server accepts heartbeats again.")
            self._last_failure = ""
        self._backoff.reset()
        self._configuration.note_version(answer.get("configuration_version"))
        self._note_rotation(answer)
        interval = answer.get("heartbeat_interval_seconds")
        known = self._configuration.current.heartbeat_interval_seconds
        return float(min(3600, max(1, interval))) if isinstance(interval, int) else float(known)

    def _queue_depth(self) -> int | None:
        try:
            return self._source.backlog()
        except Unreadable:
            return None

    def _log_failure(self, failure: Exception) -> None:
        if str(failure) != self._last_failure:
            self._last_failure = str(failure)
            logger.warning("Heartbeat failed: %s.", failure)

    def _note_rotation(self, answer: Mapping[str, Any]) -> None:
        """Warn once when the key is being replaced, and again when its end becomes known."""
        warned, self._rotating_out = self._rotating_out, ""
        if answer.get("rotating_out") is not True:
            return
        ends_at = answer.get("rotating_out_at")
        self._rotating_out = (
            f"It works until {printable(ends_at)}"
            if isinstance(ends_at, str)
            else "Its end is not known yet"
        )
        if self._rotating_out != warned:
            logger.warning(
                "This key is being rotated out. %s. Set AgentApiKey to the new key and restart the"
                " agent.",
                self._rotating_out,
            )
