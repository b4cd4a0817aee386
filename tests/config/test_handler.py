"""A request returns its database connection, and sends no signal if it opened none."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import connection
from pytest_django import Settings

from apikeys.services import Issued
from apikeys.verify import judge
from config.wsgi import application
from tests.wsgi import request

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "connection.vendor == 'sqlite'",
        reason="the SQLite of these tests is one connection in memory",
    ),
]


@pytest.fixture
def ended() -> Iterator[list[object]]:
    """Return the senders of request_finished."""
    senders: list[object] = []

    def note(sender: object, **_: Any) -> None:
        senders.append(sender)

    request_finished.connect(note)
    yield senders
    request_finished.disconnect(note)


def serve(path: str, **environ: Any) -> tuple[int, bytes]:
    """Serve a request like a server, in its own thread, which must end without a connection."""

    def work() -> tuple[int, bytes]:
        status: list[str] = []
        response = application(
            request(path, HTTP_HOST="testserver", **environ),
            lambda line, headers, _=None: status.append(line),  # type: ignore[arg-type]
        )
        body = b"".join(response)
        if close := getattr(response, "close", None):
            close()
        assert connection.connection is None
        return int(status[0][:3]), body

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


@pytest.mark.parametrize("path", ["/api/v1/whoami", "/api/v1/verify"])
def test_call_without_a_connection_sends_no_signal(
    path: str, public_key: Issued, settings: Settings, ended: list[object]
) -> None:
    settings.KEYWAY_LEASE_MS = 60_000
    judge._leases.clear()
    secret = public_key.plaintext.reveal()
    cold, cold_body = serve(path, HTTP_X_API_KEY=secret)
    assert len(ended) == 1
    warm, warm_body = serve(path, HTTP_X_API_KEY=secret)
    assert len(ended) == 1
    assert cold == warm in (200, 204)
    assert len(cold_body) == len(warm_body)
    judge._leases.clear()


def test_a_page_sends_djangos_signals(ended: list[object]) -> None:
    assert serve("/accounts/login/")[0] == 200
    assert len(ended) == 1
