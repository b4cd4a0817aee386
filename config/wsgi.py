"""The WSGI application. A few paths bypass Django, whose overhead would exceed their own work."""

import io
import os
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import django
from django.conf import settings
from django.core import signals
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)
# A WSGI server does not run Django's checks. Run them before the first request is served, so that a
# process without a pepper does not start.
call_command("check", tags=["security"], verbosity=0, stdout=io.StringIO())

# These modules import models, so they must follow django.setup().
from apikeys.verify import gateway  # noqa: E402
from config.lib import logs  # noqa: E402
from config.serving import content_type, cors, health, metrics  # noqa: E402
from config.serving.handler import Handler, is_connected  # noqa: E402

django_application = Handler()

BEFORE_DJANGO = {
    gateway.ROUTE: gateway.application,
    "/healthz": health.alive,
    "/readyz": health.ready,
    "/metrics": metrics.application,
}


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Assign the request an id for the log and the response."""
    request_id = logs.begin_request(environ, is_proxied=settings.KEYWAY_TRUSTED_PROXIES > 0)

    def start(
        status: str, headers: list[tuple[str, str]], error: Any = None
    ) -> Callable[[bytes], object]:
        return start_response(status, [*headers, ("X-Request-Id", request_id)], error)

    return _dispatch(environ, start)


@cors.layer
def _dispatch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    # First, because Django and the paths before it fail on a bad charset.
    if not content_type.is_allowed(environ.get("CONTENT_TYPE", "")):
        return content_type.refuse(environ, start_response)
    before_django = BEFORE_DJANGO.get(environ["PATH_INFO"].removesuffix("/"))
    if before_django is None:
        return django_application(environ, start_response)
    try:
        return before_django(environ, start_response)
    finally:
        if is_connected():
            signals.request_finished.send(sender=before_django)
