"""Stand-ins for the systems around Keyway in the documents.

A product that has resources but no keys, and asks Keyway about every request; and a third-party
application to which the browser returns after consent.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

PRESENTED = ("X-API-Key", "Authorization")
PASSED_ON = ("Content-Type", "WWW-Authenticate", "Retry-After")


@contextmanager
def product(keyway_url: str, resources: dict[str, str], *, key_prefix: str = "") -> Iterator[str]:
    """Run a product and yield its URL. `resources` maps each path to the scope it needs.

    A product whose documents show keys as bearer tokens knows them by `key_prefix`, and asks with
    X-API-Key.
    """
    key_as_bearer = f"Bearer {key_prefix}_"

    class Product(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name: self.headers[name] for name in PRESENTED if name in self.headers}
            shown = headers.get("Authorization", "")
            if key_prefix and shown.startswith(key_as_bearer):
                headers["X-API-Key"] = headers.pop("Authorization").removeprefix("Bearer ")
            headers |= {"X-Original-URI": self.path, "X-Original-Method": self.command}
            verify = f"{keyway_url}/api/v1/verify?scope={resources[self.path]}"
            verdict = requests.get(verify, headers=headers, timeout=20)
            if verdict.status_code == 204:
                resource = {
                    "data": [self.path],
                    "organization": verdict.headers["X-Keyway-Organization"],
                }
                self.answer(
                    200, {"Content-Type": "application/json"}, json.dumps(resource).encode()
                )
            else:
                headers = {
                    name: verdict.headers[name] for name in PASSED_ON if name in verdict.headers
                }
                self.answer(verdict.status_code, headers, verdict.content)

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with _running(Product) as url:
        yield url


@contextmanager
def application() -> Iterator[str]:
    """Run an application that shows a page to the returning browser. Yields its URL."""

    class Application(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(
                b"<!doctype html><title>Back</title><link rel=icon href=data:,>"
                b"<h1>Back at the application</h1>"
            )

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with _running(Application) as url:
        yield url


@contextmanager
def _running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
