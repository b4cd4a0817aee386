"""Call config.wsgi like a server, which Django's test client does not."""

import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from config.wsgi import application


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem."""
        return str(json.loads(self.body)["code"])


def request(path: str, query: str = "", **environ: Any) -> dict[str, Any]:
    """Return a WSGI environment, by default of a GET."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REMOTE_ADDR": "192.0.2.9",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.input": BytesIO(),
        "wsgi.url_scheme": "http",
    } | environ


def call(path: str, query: str = "", **environ: Any) -> Answer:
    started: list[Any] = []
    # Like Django's test client, keep the connection open, because the test's transaction is on it.
    disconnected = [
        signal
        for signal in (request_started, request_finished)
        if signal.disconnect(close_old_connections)
    ]
    try:
        body = b"".join(
            application(
                request(path, query, **environ),
                lambda status, headers, _=None: started.extend((status, headers)),  # type: ignore[arg-type]
            )
        )
    finally:
        for signal in disconnected:
            signal.connect(close_old_connections)
    status, headers = started
    assert len(headers) == len(dict(headers)), "a header is repeated"
    return Answer(int(status[:3]), dict(headers), body)
