"""An HTTP server that answers by script: an overloaded Keyway, or a proxy in front of one."""

import gzip
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

EVENTS, HEARTBEAT, CONFIG = (
    "/api/v1/agent/events",
    "/api/v1/agent/heartbeat",
    "/api/v1/agent/config",
)
CONFIGURATION = {"version": 1, "heartbeat_interval_seconds": 60, "batch_size": 1000, "actions": []}
CONFIGURATION |= {"include_objects": [], "exclude_objects": []}


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def problem(status: int, code: str, **headers: str) -> Reply:
    body = json.dumps({"code": code, "detail": "Because."}).encode()
    return Reply(status, body, {"Content-Type": "application/problem+json"} | headers)


@dataclass
class Request:
    at: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in gzip.decompress(self.body).splitlines()]


class FakeServer:
    """Answers batches with `replies` in order, then accepts every event. Records all requests."""

    def __init__(self, *replies: Reply, most_events: int = 10_000) -> None:
        self.replies, self.most_events = list(replies), most_events
        self.requests: list[Request] = []
        fake_server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fake_server._answer(self, self.rfile.read(int(self.headers["Content-Length"])))

            def do_GET(self) -> None:
                fake_server._answer(self, b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def batches(self) -> list[Request]:
        return [request for request in self.requests if request.path == EVENTS]

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        request = Request(time.monotonic(), handler.path, dict(handler.headers), body)
        self.requests.append(request)
        reply = self._reply(request)
        handler.send_response(reply.status)
        for name, value in (reply.headers | {"Content-Length": str(len(reply.body))}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(reply.body)

    def _reply(self, request: Request) -> Reply:
        if request.path != EVENTS:
            answers: dict[str, dict[str, Any]] = {
                CONFIG: CONFIGURATION,
                HEARTBEAT: {"configuration_version": 1, "heartbeat_interval_seconds": 60},
            }
            return Reply(200, json.dumps(answers[request.path]).encode())
        if self.replies:
            return self.replies.pop(0)
        if len(request.events) > self.most_events:
            return Reply(413)
        verdicts = {"accepted": len(request.events), "duplicate": 0, "rejected": []}
        return Reply(200, json.dumps(verdicts).encode())
