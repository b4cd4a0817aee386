"""Parser of ``KEYWAY_DNS_SERVERS``: addresses, each with an optional port."""

from collections.abc import Iterable
from ipaddress import ip_address

PORT = 53


def parse_servers(texts: Iterable[str]) -> list[tuple[str, int]]:
    """Parse `192.0.2.53`, `192.0.2.53:5353` or `[2001:db8::53]:5353`. Raises ValueError."""
    return [_parse(text.strip()) for text in texts]


def _parse(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or (host.count(":") and not host.endswith("]")):
        host, port = text, str(PORT)
    return str(ip_address(host.strip("[]"))), int(port)
