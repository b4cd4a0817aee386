"""A receiver of webhooks on loopback that checks signatures with the package standardwebhooks."""

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    payload: Any = field(default=None)
    is_verified: bool = False


class WebhookReceiver:
    """``with WebhookReceiver() as receiver: receiver.url``; `received` holds each request.

    `statuses` are answered in order, then 204. `text` is the body of each answer and `location`
    its redirect. `trickles` sends one byte a second in place of an answer.
    """

    def __init__(self, *, trickles: bool = False) -> None:
        self.received: list[Received] = []
        self.statuses: list[int] = []
        self.secret = ""
        self.text = b""
        self.location = ""
        self.trickles = trickles
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?token=abc"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def verify(self, body: bytes, headers: dict[str, str], secret: str) -> Any:
        """Return the payload. Raises WebhookVerificationError."""
        return Webhook(secret).verify(body, headers)

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        received = Received(path, headers, body)
        if self.secret:
            try:
                received.payload = self.verify(body, headers, self.secret)
                received.is_verified = True
            except WebhookVerificationError:
                pass
        self.received.append(received)
        return self.statuses.pop(0) if self.statuses else 204

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver._take(self.path, headers, body)
                if receiver.trickles:
                    self._trickle()
                    return
                self.send_response(status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", str(len(receiver.text)))
                self.end_headers()
                self.wfile.write(receiver.text)

            def _trickle(self) -> None:
                try:
                    for byte in b"HTTP/1.1 200 OK" * 4:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(0.2)
                except OSError:
                    pass

            def log_message(self, *_: object) -> None:
                pass

        return Handler
