"""The request goes to the address that was judged, within bounds of time and size."""

import datetime as dt
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from audit.outbox import post as module
from audit.outbox.errors import DeliveryFailed, Unreachable
from audit.outbox.post import post
from tests.servers.ports import free_port
from tests.servers.receiver import WebhookReceiver


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings: Settings) -> None:
    settings.KEYWAY_WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]


class Resolver:
    """Answers each look-up of a name with the next addresses, and counts them."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **_: object) -> list[Any]:
        self.asked.append(host)
        addresses = self.answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]


def test_loopback_is_refused_by_default(settings: Settings) -> None:
    with WebhookReceiver() as receiver:
        assert post(receiver.url, b"{}", {}).status == 204
        settings.KEYWAY_WEBHOOK_NETWORKS = []
        url = receiver.url.replace("127.0.0.1", "localhost")
        for each in (receiver.url, url, url.replace("http:", "https:")):
            with pytest.raises(Unreachable, match="not allowed"):
                post(each, b"{}", {})
        assert len(receiver.received) == 1


def test_name_is_resolved_once_and_all_its_addresses_judged(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    with WebhookReceiver() as receiver:
        url = f"http://rebinding.example:{receiver.port}/in"
        settings.KEYWAY_WEBHOOK_NETWORKS = [ip_network("127.0.0.1/32")]
        resolver = Resolver(["127.0.0.1"], ["127.0.0.1", "169.254.169.254"], ["127.0.0.2"])
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        assert post(url, b"{}", {}).status == 204
        assert resolver.asked == ["rebinding.example"], "and the connection went to that answer"
        assert receiver.received[0].headers["host"] == f"rebinding.example:{receiver.port}"
        for _ in range(2):
            with pytest.raises(Unreachable, match="not allowed") as refused:
                post(url, b"{}", {})
            assert "169.254" not in str(refused.value)
        assert len(receiver.received) == 1


def test_redirect_is_an_answer_and_not_followed() -> None:
    with WebhookReceiver() as target, WebhookReceiver() as receiver:
        receiver.statuses, receiver.location = [307], target.url
        assert post(receiver.url, b"{}", {}).status == 307
        assert target.received == []


def test_answer_is_cut_and_printable() -> None:
    with WebhookReceiver() as receiver:
        receiver.statuses, receiver.text = [500], b"<b>\x00\x1b[31m\xff" + b"x" * 1_000_000
        reply = post(receiver.url, b"{}", {})
    assert reply.text.startswith("<b>  [31m\ufffdxxx")
    assert len(reply.text) == 500


def test_server_that_trickles_costs_one_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.7)
    with WebhookReceiver(trickles=True) as receiver:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="No answer"):
            post(receiver.url, b"{}", {})
        assert time.monotonic() - began < 2


def test_server_that_is_away_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="Connection refused"):
        post(f"http://127.0.0.1:{free_port()}/", b"{}", {})


def test_other_protocol_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
                connection.recv(4096)

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(DeliveryFailed):
            post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {})


class _Thanks(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def certificate(folder: Path, host: str) -> Path:
    """Write a key and a certificate for `host` that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "both.pem"
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


def test_certificate_must_be_that_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path, "receiver.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = HTTPServer(("127.0.0.1", 0), _Thanks)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    port = server.server_address[1]
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(*[["127.0.0.1"]] * 3))
    with pytest.raises(Unreachable, match="certificate is not valid"):
        post(f"https://receiver.example:{port}/", b"{}", {})
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    assert post(f"https://receiver.example:{port}/", b"{}", {}).is_success
    with pytest.raises(Unreachable, match="certificate is not valid"):
        post(f"https://other.example:{port}/", b"{}", {})
    server.shutdown()
    server.server_close()
