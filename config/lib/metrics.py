"""Prometheus metrics, counted per process and summed over all processes.

No label names a key, a tenant or a person. Under gunicorn the counts are in files, because its
configuration sets PROMETHEUS_MULTIPROC_DIR before this module is imported. The files lag by up to
half a second, and a killed process loses that much.
"""

import atexit
import os
import threading
import time
from bisect import bisect_left
from collections import Counter as Tally
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config.lib.addresses import API

Counted = TypeVar("Counted")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_here = CollectorRegistry()
_collectors: list[Collector] = []
_requests = Counter(
    "keyway_requests", "Requests served.", ["route", "method", "status"], registry=_here
)
_seconds = Histogram(
    "keyway_request_seconds",
    "Request duration in seconds.",
    ["surface"],
    buckets=SECONDS,
    registry=_here,
)
_presentations = Counter(
    "keyway_presentations", "Presented keys, by outcome.", ["outcome"], registry=_here
)

# Requests are buffered here first, because counting in the files takes ten times as long. append()
# and popleft() are atomic, so no request waits for a lock and a concurrent hand-over loses nothing.
_answered: deque[tuple[str, str, int, float]] = deque()
_presented: deque[str] = deque()
_handing_over = threading.Lock()
HAND_OVER_SECONDS = 0.5


def count_request(*, route: str, method: str, status: int, began: float) -> None:
    """Count one request. `route` is a URL pattern, never a path. `began` is a perf_counter time."""
    _answered.append(
        (route, method if method in METHODS else "OTHER", status, time.perf_counter() - began)
    )
    _alarm.set()


def count_presentation(outcome: str) -> None:
    """Count one presented key. `outcome` is "accepted" or the reason of a denial.

    Does not start a hand-over, because the request itself is counted right after.
    """
    _presented.append(outcome)


class _Alarm:
    """Call `hand_over` once, HAND_OVER_SECONDS after `set`."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        if not self._is_set:
            self._is_set = True
            timer = threading.Timer(HAND_OVER_SECONDS, self._ring)
            timer.daemon = True
            try:
                timer.start()
            except RuntimeError:  # cannot start a thread; the next request tries again
                self._is_set = False

    def _ring(self) -> None:
        self._is_set = False
        hand_over()


_alarm = _Alarm()


@atexit.register
def hand_over() -> None:
    """Move everything counted so far into prometheus-client."""
    with _handing_over:
        _hand_over()


def _hand_over() -> None:
    answered = list(_taken(_answered))
    for (route, method, status), times in Tally(answer[:3] for answer in answered).items():
        _requests.labels(route, method, str(status)).inc(times)
    seconds = defaultdict(list)
    for route, _, _, took in answered:
        seconds[_surface(route)].append(took)
    for surface, took_each in seconds.items():
        _observe(_seconds.labels(surface), took_each)
    for outcome, times in Tally(_taken(_presented)).items():
        _presentations.labels(outcome).inc(times)


def _observe(histogram: Histogram, seconds: Sequence[float]) -> None:
    """Observe many values at once, which prometheus-client's public API cannot do."""
    histogram._sum.inc(sum(seconds))  # noqa: SLF001
    bounds = histogram._upper_bounds  # noqa: SLF001
    for bucket, times in Tally(bisect_left(bounds, took) for took in seconds).items():
        histogram._buckets[bucket].inc(times)  # noqa: SLF001


def _taken(counted: deque[Counted]) -> Iterator[Counted]:
    while counted:
        yield counted.popleft()


def _surface(route: str) -> str:
    if route == "/api/v1/verify":
        return "verify"
    return "api" if route.startswith(API) else "pages"


def register(collector: Collector) -> None:
    """Add metrics that are measured on each scrape, such as the size of a directory."""
    _collectors.append(collector)
    _here.register(collector)


def page() -> bytes:
    """Return the metrics of all processes in Prometheus's text format."""
    hand_over()
    return generate_latest(_registry())


def _registry() -> CollectorRegistry:
    """Return a registry over all processes' files, or over this process without files."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return _here
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    for collector in _collectors:
        registry.register(collector)
    return registry
