"""Malformed requests over a raw socket: each gets a 4xx, and the next request is served."""

import gzip
import json
import socket
from typing import Any

import pytest

from tests.audit.events import array, event
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server


class Wire:
    """Sends each request on its own connection, with a test key.

    Events in the test environment do not disturb other tests' counts.
    """

    def __init__(self, server: KeywayServer) -> None:
        self.server = server
        self.secret = server.key(kind="agent", environment="test")["secret"]

    def send(
        self, body: bytes, *, hang_up: bool = False, **headers: Any
    ) -> tuple[int, dict[str, Any]]:
        head = [
            "POST /api/v1/agent/events HTTP/1.1",
            "Host: 127.0.0.1",
            "Connection: close",
            f"X-API-Key: {self.secret}",
        ]
        head += [
            f"{name.replace('_', '-')}: {value}"
            for name, value in ({"Content_Type": "application/json"} | headers).items()
        ]
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as wire:
            wire.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + body)
            if hang_up:
                wire.shutdown(socket.SHUT_WR)
            response = b"".join(iter(lambda: wire.recv(65536), b""))
        top, _, content = response.partition(b"\r\n\r\n")
        return int(top.split()[1]), json.loads(content)


@pytest.fixture
def wire(keyway: KeywayServer) -> Wire:
    return Wire(keyway)


def chunked(body: bytes, size: int = 50) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_chunked_batch_is_accepted(pack: Any, wire: Wire) -> None:
    headers: dict[str, Any] = {"Content_Encoding": "gzip"} if pack is gzip.compress else {}
    status, response = wire.send(
        chunked(pack(array([event()]))), Transfer_Encoding="chunked", **headers
    )
    assert (status, response["accepted"]) == (200, 1)


@pytest.mark.parametrize(
    "body",
    [b"zz\r\nabc\r\n0\r\n\r\n", b"3\r\nabcdef\r\n0\r\n\r\n", b"ff\r\nabc", b"", b"0\r\n\r\n"],
)
def test_broken_chunks_are_400(body: bytes, wire: Wire) -> None:
    status, response = wire.send(body, hang_up=True, Transfer_Encoding="chunked")
    assert (status, response["code"]) == (400, "malformed_batch")


def test_truncated_body_is_400_and_stores_nothing(wire: Wire) -> None:
    body = array([event()])
    status, response = wire.send(body, hang_up=True, Content_Length=len(body) + 1)
    assert (status, response["code"]) == (400, "malformed_batch")
    assert wire.send(body, Content_Length=len(body))[1] == {
        "accepted": 1,
        "duplicate": 0,
        "rejected": [],
    }


def test_large_content_length_is_refused_unread(wire: Wire) -> None:
    status, response = wire.send(b"", Content_Length=10**12)
    assert (status, response["code"]) == (413, "batch_too_large")


def test_request_without_a_body_is_answered(wire: Wire) -> None:
    status, response = wire.send(b"")
    assert (status, response["code"]) == (400, "malformed_batch")


def test_endless_body_is_cut_off(wire: Wire) -> None:
    head = f"POST /api/v1/agent/events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {wire.secret}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    count, mebibyte = 0, b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", wire.server.port), timeout=20) as connection:
        connection.sendall(head.encode())
        with pytest.raises(OSError, match=r"reset|pipe"):
            while count < 200:
                connection.sendall(mebibyte)
                count += 1
    assert count < 100
