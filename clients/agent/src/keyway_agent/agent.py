"""The agent's main loop: read, deliver, advance the cursor."""

import logging
import threading
from collections.abc import Sequence

from keyway_agent.answers import Refused
from keyway_agent.delivery import BATCH_BYTES, Delivery, Stopping
from keyway_agent.errors import Unreadable
from keyway_agent.heartbeat import Heartbeat
from keyway_agent.postgresql import CsvLog
from keyway_agent.remote_configuration import RemoteConfiguration
from keyway_agent.server import Server
from keyway_agent.settings import Settings, Simulation
from keyway_agent.simulation import SimulatedServer
from keyway_agent.source import Entry, Source
from keyway_agent.state import StateDirectory

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
UNREADABLE_SECONDS = 5.0
# With --once: about 15 seconds of retries against an unreachable server.
ONCE_ATTEMPTS = 6


class Agent:
    """Run until `stop` is set or the server permanently refuses the key.

    Events that were read but not delivered are read again at the next start.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        state: StateDirectory,
        stop: threading.Event,
        once: bool = False,
    ) -> None:
        self._settings, self._stop, self._once = settings, stop, once
        server = Server(settings)
        self._source = open_source(settings, state)
        self._configuration = RemoteConfiguration(server, state)
        self._delivery = Delivery(server, state, stop, patience=ONCE_ATTEMPTS if once else None)
        self._heartbeat = Heartbeat(
            server=server,
            source=self._source,
            configuration=self._configuration,
            host=settings.host,
            stop=stop,
            refused=self._refuse,
        )
        self._refusal: Refused | None = None
        self._read_error = ""

    def run(self) -> None:
        """Run the agent. Raises Refused; with `once`, also TemporaryFailure."""
        self._heartbeat.start()
        try:
            self._work()
        except Stopping:
            logger.info("Stopping. The position in the log is kept.")
        finally:
            self._stop.set()
            self._heartbeat.join(timeout=5)
        if self._refusal:
            raise self._refusal

    def _work(self) -> None:
        waiting: list[Entry] = []
        size = 0
        while not self._stop.is_set():
            self._configuration.refresh()
            entries = self._read()
            waiting += entries
            size += sum(entry.size for entry in entries)
            if (
                len(waiting) >= self._configuration.current.batch_size
                or size > BATCH_BYTES
                or (waiting and not entries)
            ):
                self._deliver(waiting)
                waiting, size = [], 0
            elif not entries:
                if self._once and self._source.is_exhausted():
                    return
                self._stop.wait(POLL_SECONDS)

    def _read(self) -> Sequence[Entry]:
        try:
            entries = self._source.read()
        except Unreadable as error:
            if self._once:
                raise
            if str(error) != self._read_error:
                logger.error("%s Retrying.", error)
            self._read_error = str(error)
            self._stop.wait(UNREADABLE_SECONDS)
            return []
        if self._read_error:
            logger.info("The log is readable again.")
        self._read_error = ""
        return entries

    def _deliver(self, entries: Sequence[Entry]) -> None:
        configuration = self._configuration.current
        events = [
            entry.event for entry in entries if entry.event and configuration.collects(entry.event)
        ]
        if events:
            self._delivery.deliver(events, configuration.batch_size)
        # Only now may the cursor advance, and over the filtered entries too: advanced before the
        # server has answered, a crash in between would lose events.
        self._source.delivered(entries)
        logger.debug("Delivered %d events of %d records.", len(events), len(entries))

    def _refuse(self, refusal: Refused) -> None:
        self._refusal = refusal
        self._stop.set()


def open_source(settings: Settings, state: StateDirectory) -> Source:
    if isinstance(settings.source, Simulation):
        return SimulatedServer(
            events_per_second=settings.source.events_per_second, host=settings.host
        )
    return CsvLog(settings.source, host=settings.host, state=state)
