"""What the worker does for usage."""

from datetime import timedelta
from functools import cache
from pathlib import Path

from django.utils import timezone

from apikeys import conf
from apikeys.services.settle import lapse
from apikeys.usage import retention
from apikeys.usage.drain import Drainer
from config.lib.worker import claims, duties

MOST_LATE = timedelta(minutes=1)


def register() -> None:
    # A spool is a directory of one host: each has a row of its own, whose lag names the host.
    duties.register(
        "drain_usage",
        every=timedelta(seconds=1),
        run=_drain,
        lasts=timedelta(seconds=15),
        place=_place,
    )
    duties.register("lapse_secrets", every=timedelta(minutes=10), run=_lapse)
    duties.register("prune_usage", every=timedelta(minutes=10), run=_prune)


def _place() -> str:
    directory, _ = conf.spool()
    return f"{duties.host()}:{directory}"


def _drain() -> None:
    directory, _ = conf.spool()
    _drainer(directory).drain()


@cache
def _drainer(directory: Path) -> Drainer:
    """Keep one drainer: it remembers each segment, and an unchanged segment costs no query."""
    return Drainer(directory)


def _lapse() -> None:
    # The first use may wait in the spool of a host whose drain is late. Lapsing its secret would
    # refuse a caller that has moved already.
    drains = [each for each in claims.standings() if each.duty.name.startswith("drain_usage")]
    if all(each.late <= MOST_LATE for each in drains):
        lapse(timezone.now())


def _prune() -> None:
    retention.prune(before=timezone.now() - conf.usage_retention())
