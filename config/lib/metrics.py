"""`/metrics` for Prometheus: counted in each process, summed over all of them. No label names a key, a tenant or a person.

Under gunicorn the counts are in files that its configuration names in PROMETHEUS_MULTIPROC_DIR before this is imported;
they are up to half a second behind, and a process that is killed takes that much of them along.
"""

import atexit
import hmac
import os
import threading
import time
from bisect import bisect_left
from collections import Counter as Tally
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import TypeVar
from wsgiref.types import StartResponse, WSGIEnvironment

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from apikeys import conf
from config.lib import wsgi_responses

Counted = TypeVar("Counted")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_here = CollectorRegistry()
_requests = Counter(
    "keyway_requests", "Requests answered.", ["route", "method", "status"], registry=_here
)
_seconds = Histogram(
    "keyway_request_seconds",
    "How long requests took.",
    ["surface"],
    buckets=SECONDS,
    registry=_here,
)
_presentations = Counter(
    "keyway_presentations", "Keys presented, by what became of them.", ["outcome"], registry=_here
)

# Counted here first, as they are: to count in a file at every request takes ten times as long. Appending and taking are
# atomic, so no request waits for a lock, and nothing that is counted while others are handed over is lost.
_answered: deque[tuple[str, str, int, float]] = deque()
_presented: deque[str] = deque()
_handing_over = threading.Lock()
HAND_OVER_SECONDS = 0.5


def count_request(*, route: str, method: str, status: int, began: float) -> None:
    """`route` is a pattern of ours, never what was called; `began` is of time.perf_counter."""
    _answered.append(
        (route, method if method in METHODS else "OTHER", status, time.perf_counter() - began)
    )
    _alarm.set()


def count_presentation(outcome: str) -> None:
    """`outcome` is "accepted" or the reason of a denial. The request that presented it is counted after it."""
    _presented.append(outcome)


class _Alarm:
    """Hands over, once, a moment after it is set."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        if not self._is_set:
            self._is_set = True
            timer = threading.Timer(HAND_OVER_SECONDS, self._ring)
            timer.daemon = True
            try:
                timer.start()
            except RuntimeError:  # no more threads are to be had: the next request tries again
                self._is_set = False

    def _ring(self) -> None:
        self._is_set = False
        hand_over()


_alarm = _Alarm()


@atexit.register
def hand_over() -> None:
    """Give prometheus-client what was counted since the last time. Whoever reads next reads all of it."""
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
    """What its `observe` does, for many at once; for that it has no public way."""
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
    return "api" if route.startswith("/api/") else "pages"


class MetricsMiddleware:
    """Counts each request by the pattern that matched it; what matched none is one route."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        route = f"/{request.resolver_match.route}" if request.resolver_match else "none"
        count_request(
            route=route, method=request.method or "", status=response.status_code, began=began
        )
        return response


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


@wsgi_responses.reading
def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Only for who presents KEYWAY_METRICS_TOKEN; without that setting there is nothing here."""
    expected = settings.KEYWAY_METRICS_TOKEN
    if not expected:
        return wsgi_responses.text(environ, start_response, HTTPStatus.NOT_FOUND, "not found")
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        token.strip().encode(), expected.encode()
    ):
        headers = [
            ("WWW-Authenticate", 'Bearer realm="Keyway metrics"'),
            ("Content-Type", wsgi_responses.TEXT),
        ]
        return wsgi_responses.answer(
            environ, start_response, HTTPStatus.UNAUTHORIZED, headers=headers
        )
    hand_over()
    headers = [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4), ("Cache-Control", "no-store")]
    return wsgi_responses.answer(
        environ, start_response, HTTPStatus.OK, headers=headers, body=generate_latest(_registry())
    )


def _registry() -> CollectorRegistry:
    """Every process's counts where they are in files, otherwise those of this process."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return _here
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(SpoolCollector())
    return registry


_here.register(SpoolCollector())
