"""The agent at work: read, send, move the place on; until told to stop, or refused for good."""

import logging
import threading
from collections.abc import Sequence

from keyway_agent.answers import Refused
from keyway_agent.command import Command
from keyway_agent.courier import BATCH_BYTES, Courier, Stopping
from keyway_agent.errors import Unreadable
from keyway_agent.heart import Heart
from keyway_agent.postgresql import CsvLog
from keyway_agent.server import Server
from keyway_agent.settings import Settings, Simulation
from keyway_agent.simulation import SimulatedServer
from keyway_agent.source import Parcel, Source
from keyway_agent.state import StateDirectory

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
UNREADABLE_SECONDS = 5.0
# With --once: some 15 seconds of asking a server that is not there.
PATIENCE = 6


class Agent:
    """Stops when `stop` is set; what was read by then and not delivered is read again at the next start."""

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
        self._command = Command(server, state)
        self._courier = Courier(server, state, stop, patience=PATIENCE if once else None)
        self._heart = Heart(
            server=server,
            source=self._source,
            command=self._command,
            host=settings.host,
            stop=stop,
            refused=self._refuse,
        )
        self._refusal: Refused | None = None
        self._trouble = ""

    def run(self) -> None:
        """Raises Refused; with `once` also Obstacle."""
        self._heart.start()
        try:
            self._work()
        except Stopping:
            logger.info("Stopping. The place is kept.")
        finally:
            self._stop.set()
            self._heart.join(timeout=5)
        if self._refusal:
            raise self._refusal

    def _work(self) -> None:
        waiting: list[Parcel] = []
        size = 0
        while not self._stop.is_set():
            self._command.refresh()
            parcels = self._read()
            waiting += parcels
            size += sum(parcel.size for parcel in parcels)
            if (
                len(waiting) >= self._command.orders.batch_size
                or size > BATCH_BYTES
                or (waiting and not parcels)
            ):
                self._deliver(waiting)
                waiting, size = [], 0
            elif not parcels:
                if self._once and self._source.is_exhausted():
                    return
                self._stop.wait(POLL_SECONDS)

    def _read(self) -> Sequence[Parcel]:
        try:
            parcels = self._source.read()
        except Unreadable as error:
            if self._once:
                raise
            if str(error) != self._trouble:
                logger.error("%s Trying again.", error)
            self._trouble = str(error)
            self._stop.wait(UNREADABLE_SECONDS)
            return []
        if self._trouble:
            logger.info("The log can be read again.")
        self._trouble = ""
        return parcels

    def _deliver(self, parcels: Sequence[Parcel]) -> None:
        orders = self._command.orders
        events = [parcel.event for parcel in parcels if parcel.event and orders.want(parcel.event)]
        if events:
            self._courier.deliver(events, orders.batch_size)
        self._source.delivered(parcels)
        logger.debug("Delivered %d events of %d records.", len(events), len(parcels))

    def _refuse(self, refusal: Refused) -> None:
        self._refusal = refusal
        self._stop.set()


def open_source(settings: Settings, state: StateDirectory) -> Source:
    if isinstance(settings.source, Simulation):
        return SimulatedServer(
            events_per_second=settings.source.events_per_second, host=settings.host
        )
    return CsvLog(settings.source, host=settings.host, state=state)
