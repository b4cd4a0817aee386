"""A DNS server on loopback that knows a few TXT records."""

import socket
import threading
from types import TracebackType

from dns import flags, message, rcode, rrset


class NameServer:
    """A context manager. `records` maps names without the last dot to values."""

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "NameServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, client = self._socket.recvfrom(4096)
            if not data:
                return
            question = message.from_wire(data)
            answer = message.make_response(question)
            answer.flags |= flags.AA
            name = question.question[0].name
            found = self.records.get(name.to_text(omit_final_dot=True), [])
            if found:
                texts = [f'"{value}"' for value in found]
                answer.answer.append(rrset.from_text(name, 60, "IN", "TXT", *texts))
            else:
                answer.set_rcode(rcode.NXDOMAIN)
            self._socket.sendto(answer.to_wire(), client)
