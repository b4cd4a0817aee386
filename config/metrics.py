"""`/metrics` for Prometheus: counted in each process, summed over all of them. No label names a key, a tenant or a person.

Under gunicorn the counts are in files that its configuration names in PROMETHEUS_MULTIPROC_DIR before this is imported.
"""

import hmac
import os
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from apikeys import conf
from config import bare

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_here = CollectorRegistry()
_requests = Counter("keyway_requests", "Requests answered.", ["route", "method", "status"], registry=_here)
_seconds = Histogram("keyway_request_seconds", "How long requests took.", ["surface"], buckets=SECONDS, registry=_here)
_presentations = Counter("keyway_presentations", "Keys presented, by what became of them.", ["outcome"], registry=_here)

# To find a child by its labels costs more than to count with it.
_request = lru_cache(maxsize=4096)(_requests.labels)
_duration = lru_cache(maxsize=16)(_seconds.labels)
_presentation = lru_cache(maxsize=64)(_presentations.labels)


def count_request(*, route: str, method: str, status: int, began: float) -> None:
    """`route` is a pattern of ours, never what was called; `began` is of time.perf_counter."""
    _request(route, method if method in METHODS else "OTHER", str(status)).inc()
    _duration(_surface(route)).observe(time.perf_counter() - began)


def count_presentation(outcome: str) -> None:
    """`outcome` is "accepted" or the reason of a denial."""
    _presentation(outcome).inc()


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
        count_request(route=route, method=request.method or "", status=response.status_code, began=began)
        return response


class SpoolCollector(Collector):
    """How much usage waits to be drained, as the directory says when it is asked."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        directory, most = conf.spool()
        sizes = [entry.stat().st_size for entry in os.scandir(directory) if entry.is_file()] if directory.is_dir() else []
        yield GaugeMetricFamily("keyway_spool_bytes", "Bytes of recorded usage in the spool.", value=sum(sizes))
        yield GaugeMetricFamily("keyway_spool_limit_bytes", "Bytes that the spool may hold.", value=most)


@bare.reading
def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Only for who presents KEYWAY_METRICS_TOKEN; without that setting there is nothing here."""
    expected = settings.KEYWAY_METRICS_TOKEN
    if not expected:
        return bare.text(environ, start_response, HTTPStatus.NOT_FOUND, "not found")
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), expected.encode()):
        headers = [("WWW-Authenticate", 'Bearer realm="Keyway metrics"'), ("Content-Type", bare.TEXT)]
        return bare.answer(environ, start_response, HTTPStatus.UNAUTHORIZED, headers=headers)
    headers = [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4), ("Cache-Control", "no-store")]
    return bare.answer(environ, start_response, HTTPStatus.OK, headers=headers, body=generate_latest(_registry()))


def _registry() -> CollectorRegistry:
    """Every process's counts where they are in files, otherwise those of this process."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return _here
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(SpoolCollector())
    return registry


_here.register(SpoolCollector())
