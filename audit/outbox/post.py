"""Post to a URL that a customer chose.

The host is resolved once and the connection goes to the address that was judged, so a name that
resolves to another address a moment later gains nothing. Proxies of the environment are not used,
and redirects are not followed. Time and size of the answer are bounded.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

from audit.outbox import conf
from audit.outbox.destinations import Destination, Networks, is_reachable, literal, parse
from audit.outbox.errors import DeliveryFailed, Unreachable

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 5.0
MOST_BYTES = 4096
MOST_TEXT = 500
NOT_ALLOWED = "The URL leads to an address that webhooks are not allowed to reach."


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: its status and the beginning of its body, printable."""

    status: int
    text: str

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    """Send the request and return the answer, whatever its status.

    Raises Unreachable if there is none, and DeliveryFailed if it is not HTTP.
    """
    destination = parse(url)
    try:
        with closing(_connect(destination, conf.webhook_networks())) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.sendall(_request(destination, body, headers))
            return _answer(connection, time.monotonic() + ANSWER_SECONDS)
    except http.client.HTTPException as error:
        raise DeliveryFailed("The answer is not valid HTTP.") from error
    except TimeoutError as error:
        raise Unreachable("No answer within 5 seconds.") from error
    except OSError as error:
        raise Unreachable(_reason(error)) from error


def _connect(destination: Destination, allowed: Networks) -> socket.socket:
    """Connect to the first address that accepts, if all of them are allowed. Raises OSError."""
    until = time.monotonic() + CONNECT_SECONDS
    failure = OSError("The host name has no address.")
    for family, address in _resolve(destination, allowed):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(_left(until))
            connection.connect(address)
            connection.settimeout(_left(until))
            return _secured(connection, destination)
        except OSError as error:
            connection.close()
            failure = error
    raise failure


def _left(until: float) -> float:
    """One time for all addresses of a host: it can have a hundred that never answer."""
    return max(until - time.monotonic(), 0.001)


def _resolve(destination: Destination, allowed: Networks) -> list[tuple[int, Any]]:
    """Return the family and socket address of each address of the host."""
    try:
        found = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable("The host name cannot be resolved.") from error
    # All of them: a name with a public and a private address must not depend on their order.
    for *_, address in found:
        judged = literal(str(address[0]))
        if judged is None or not is_reachable(judged, destination, allowed):
            # Without the address, which would reveal names of the operator's own network.
            raise Unreachable(NOT_ALLOWED)
    return [(family, address) for family, *_, address in found]


def _secured(connection: socket.socket, destination: Destination) -> socket.socket:
    if destination.scheme != "https":
        return connection
    context = ssl.create_default_context()
    return context.wrap_socket(connection, server_hostname=destination.host)


def _request(destination: Destination, body: bytes, headers: Mapping[str, str]) -> bytes:
    fields = {
        "Host": destination.authority,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    lines = [f"POST {destination.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (fields | dict(headers)).items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


class _UntilDeadline(io.RawIOBase):
    """Reads of a socket that all end by one deadline.

    A time-out of the socket would begin again with each byte, and a server that sends one every
    four seconds would hold the worker for days.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Be the socket that HTTPResponse expects."""
        return io.BufferedReader(self)


def _answer(connection: socket.socket, deadline: float) -> Reply:
    source = _UntilDeadline(connection, deadline)
    response = http.client.HTTPResponse(cast("socket.socket", source), method="POST")
    response.begin()
    try:
        body = response.read(MOST_BYTES)
    except (http.client.HTTPException, OSError):
        body = b""  # the status has arrived, and it decides
    text = body.decode(errors="replace")[:MOST_TEXT]
    return Reply(response.status, "".join(c if c.isprintable() else " " for c in text))


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate is not valid: {error.verify_message}."
    if isinstance(error, ssl.SSLError):
        return "The TLS handshake failed."
    return f"No connection: {error.strerror or type(error).__name__}."
