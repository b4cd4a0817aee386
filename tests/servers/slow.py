"""A proxy that delays every response: ``with SlowLink(port, delay=0.1) as link: link.port``."""

import contextlib
import socket
import threading
import time
from typing import Self


class SlowLink:
    def __init__(self, port: int, *, delay: float) -> None:
        self._target = ("127.0.0.1", port)
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for opened in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._open += [caller, server]
                threading.Thread(target=self._pump, args=[caller, server, 0.0], daemon=True).start()
                threading.Thread(
                    target=self._pump, args=[server, caller, self._delay], daemon=True
                ).start()

    def _pump(self, source: socket.socket, target: socket.socket, delay: float) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(delay)
                target.sendall(data)
