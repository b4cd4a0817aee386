"""An open service that returns each request as JSON: ``python -m tests.servers.echo PORT``."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.servers.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        received = {
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body": self.rfile.read(length).decode(),
        }
        response = json.dumps(received).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(response)))
        self.end_headers()
        self.wfile.write(response)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  the names that http.server looks for

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def echo_server() -> Iterator[int]:
    """Run the service in its own process and yield the port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.servers.echo", str(port)], cwd=ROOT)
    try:
        while not _answers(port):
            if process.poll() is not None:
                raise RuntimeError("The echo service did not start")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
