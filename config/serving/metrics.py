"""The `/metrics` endpoint and the middleware that counts requests."""

import hmac
import time
from collections.abc import Callable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from config.lib import metrics, wsgi_responses


class MetricsMiddleware:
    """Count each request by its URL pattern. All requests without one share the route "none"."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        route = f"/{request.resolver_match.route}" if request.resolver_match else "none"
        metrics.count_request(
            route=route, method=request.method or "", status=response.status_code, began=began
        )
        return response


@wsgi_responses.safe_methods_only
def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Serve the metrics to callers with KEYWAY_METRICS_TOKEN. 404 if that setting is empty."""
    expected = settings.KEYWAY_METRICS_TOKEN
    if not expected:
        return wsgi_responses.respond_text(
            environ, start_response, HTTPStatus.NOT_FOUND, "not found"
        )
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        token.strip().encode(), expected.encode()
    ):
        headers = [
            ("WWW-Authenticate", 'Bearer realm="Keyway metrics"'),
            ("Content-Type", wsgi_responses.TEXT),
        ]
        return wsgi_responses.respond(
            environ, start_response, HTTPStatus.UNAUTHORIZED, headers=headers
        )
    headers = [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4), ("Cache-Control", "no-store")]
    return wsgi_responses.respond(
        environ, start_response, HTTPStatus.OK, headers=headers, body=metrics.page()
    )
