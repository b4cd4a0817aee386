"""Asking config.wsgi as a server does, where Django's test client would go past it."""

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
        """Of a problem."""
        return str(json.loads(self.body)["code"])


def request(path: str, query: str = "", **environ: Any) -> dict[str, Any]:
    """The WSGI environment of a GET, unless told otherwise."""
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
    told: list[Any] = []
    asked = request(path, query, **environ)
    # As Django's own test client: a request must not close the connection that the test is a transaction of.
    kept = [
        signal
        for signal in (request_started, request_finished)
        if signal.disconnect(close_old_connections)
    ]
    try:
        body = b"".join(
            application(asked, lambda status, headers, _=None: told.extend((status, headers)))
        )  # type: ignore[arg-type,return-value]
    finally:
        for signal in kept:
            signal.connect(close_old_connections)
    assert len(told[1]) == len(dict(told[1]))
    return Answer(int(told[0][:3]), dict(told[1]), body)
