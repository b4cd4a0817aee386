"""A throwaway mail server on loopback that keeps what it accepts, or misbehaves as told."""

import re
import socketserver
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Self

HANG_SECONDS = 60


@dataclass
class Delivered:
    sender: str
    recipient: str
    message: Message = field(repr=False)


class SmtpServer:
    """``with SmtpServer() as server: server.url``; `delivered` holds what it accepted.

    `refuse` maps a recipient to the reply it gets. `hangs` accepts connections and never answers.
    `drops_quit` closes the connection in place of an answer to QUIT.
    """

    def __init__(self, *, hangs: bool = False, drops_quit: bool = False) -> None:
        self.delivered: list[Delivered] = []
        self.refuse: dict[str, str] = {}
        self.data_reply = "250 OK"
        self.hangs, self.drops_quit = hangs, drops_quit
        self.connections = 0
        self._ended = threading.Event()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, count: int, seconds: float = 30) -> list[Delivered]:
        until = time.monotonic() + seconds
        while len(self.delivered) < count and time.monotonic() < until:
            time.sleep(0.05)
        return self.delivered

    def _handler(server) -> type[socketserver.BaseRequestHandler]:  # noqa: N805  the handler's own self is within
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                server.connections += 1
                if server.hangs:
                    server._ended.wait(HANG_SECONDS)
                    return
                server._talk(
                    self.rfile.readline, lambda line: self.wfile.write(f"{line}\r\n".encode())
                )

        return Handler

    def _talk(self, read: Callable[[], bytes], say: Callable[[str], object]) -> None:
        say("220 ready")
        sender = recipient = ""
        while line := read():
            verb, _, rest = line.decode().strip().partition(" ")
            address = re.search(r"<(.*)>", rest)
            if verb.upper() == "MAIL" and address:
                sender = address[1]
                say("250 OK")
            elif verb.upper() == "RCPT" and address:
                recipient = address[1]
                say(self.refuse.get(recipient, "250 OK"))
            elif verb.upper() == "DATA":
                say("354 go on")
                body = _body(read)
                if self.data_reply.startswith("250"):
                    self.delivered.append(Delivered(sender, recipient, message_from_bytes(body)))
                say(self.data_reply)
            elif verb.upper() == "QUIT":
                if not self.drops_quit:
                    say("221 bye")
                return
            else:
                say("250 OK")


def _body(read: Callable[[], bytes]) -> bytes:
    lines = []
    while (line := read()) not in {b".\r\n", b""}:
        lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
    return b"".join(lines)
