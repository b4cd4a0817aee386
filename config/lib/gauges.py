"""Gauges that are read from the database when Prometheus asks for them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error as DatabaseProblem
from django.db import connection, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

READ_MS = 1000


class DatabaseCollector(Collector):
    """Subclasses implement `read`. During an outage their series are absent; the others remain."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            with _bounded():
                families = list(self.read())
        except DatabaseProblem as error:
            logger.warning("%s are missing from /metrics: %s", type(self).__name__, error)
            families = []
        yield from families

    def read(self) -> Iterator[GaugeMetricFamily]:
        raise NotImplementedError


@contextmanager
def _bounded() -> Iterator[None]:
    """Bound each statement to READ_MS, so that a scrape never waits for a lock or a slow disk.

    SQLite has no such limit and needs none: its readers wait for no writer. Its transactions are
    IMMEDIATE, so one here would make the scrape wait for the write lock.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {READ_MS:d}")
        yield
