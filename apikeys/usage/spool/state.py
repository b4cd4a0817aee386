"""How the spool is: how full, for `/metrics`, and whether it can be written, for `/readyz`."""

import os
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from apikeys import conf


class SpoolCollector(Collector):
    """How much usage waits to be drained, as the directory says when it is asked."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        directory, most = conf.spool()
        sizes = (
            [entry.stat().st_size for entry in os.scandir(directory) if entry.is_file()]
            if directory.is_dir()
            else []
        )
        yield GaugeMetricFamily(
            "keyway_spool_bytes", "Bytes of recorded usage in the spool.", value=sum(sizes)
        )
        yield GaugeMetricFamily(
            "keyway_spool_limit_bytes", "Bytes that the spool may hold.", value=most
        )


def spool_is_writable() -> bool:
    """The first line makes the directory. Until then, what matters is that it can be made."""
    directory, _ = conf.spool()
    there = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    return os.access(there, os.W_OK | os.X_OK)
