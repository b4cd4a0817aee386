"""What a server runs. A few addresses are answered before Django, which would cost them more than they do."""

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
# A server does not run Django's checks by itself, and one without a pepper must not start.
call_command("check", tags=["security"], verbosity=0, stdout=io.StringIO())

# Their modules import models, which only Django's setup makes importable.
from apikeys.verify import gateway  # noqa: E402
from config.lib import logs  # noqa: E402
from config.serving import content_type, health, metrics  # noqa: E402
from config.serving.handler import Handler, is_connected  # noqa: E402

with_django = Handler()

BEFORE_DJANGO = {
    gateway.ROUTE: gateway.application,
    "/healthz": health.alive,
    "/readyz": health.ready,
    "/metrics": metrics.application,
}


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Give the request a name, which is in the log and in the answer."""
    request_id = logs.begin_request(environ, is_proxied=settings.KEYWAY_TRUSTED_PROXIES > 0)

    def start(
        status: str, headers: list[tuple[str, str]], error: Any = None
    ) -> Callable[[bytes], object]:
        return start_response(status, [*headers, ("X-Request-Id", request_id)], error)

    return _answer(environ, start)


def _answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if not content_type.is_good(environ.get("CONTENT_TYPE", "")):
        return content_type.refuse(environ, start_response)
    before_django = BEFORE_DJANGO.get(environ["PATH_INFO"].removesuffix("/"))
    if before_django is None:
        return with_django(environ, start_response)
    try:
        return before_django(environ, start_response)
    finally:
        if is_connected():
            signals.request_finished.send(sender=before_django)
