"""Which URLs and addresses a webhook can reach. Pure.

The URL is chosen by a customer and requested from inside the operator's network. Without these
rules, a webhook could reach this host, the database's network or a cloud's metadata service.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

LONGEST_URL = 500
PUBLIC_PORTS = frozenset({443, 8443})
_DEFAULT_PORTS = {"https": 443, "http": 80}
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?|[0-9a-f:.]+")

# NAT64 and IPv4-compatible addresses carry an IPv4 address in their last four bytes.
_CARRIERS = (ip_network("64:ff9b::/96"), ip_network("::/96"))
# Python's is_global differs between patch releases, so the networks that are not public are listed
# here, from IANA's registries of special-purpose addresses.
_NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
        # Azure's metadata and wire server: public, and answers only machines inside Azure.
        "168.63.129.16/32",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
_UNICAST = ip_network("2000::/3")

Address = IPv4Address | IPv6Address
Networks = Collection[IPv4Network | IPv6Network]


class BadUrl(ValueError):
    """The URL cannot be used. The text says what to change."""


@dataclass(frozen=True, slots=True)
class Destination:
    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse(url: str) -> Destination:
    """Parse the URL. Raises BadUrl. The address it resolves to is judged by `is_reachable`."""
    if len(url) > LONGEST_URL or not _VISIBLE.fullmatch(url):
        raise BadUrl(f"Enter a URL of at most {LONGEST_URL} characters, without spaces.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadUrl("Enter a valid URL.") from error
    host = parts.hostname or ""
    if parts.scheme not in _DEFAULT_PORTS or not _NAME.fullmatch(host) or port == 0:
        raise BadUrl("Enter a URL such as https://example.com/webhooks.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadUrl("Enter a URL without a user name, a password or a fragment.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], target)


def literal(host: str) -> Address | None:
    """Return the address that the host is, or None if it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_reachable(address: Address, destination: Destination, allowed: Networks) -> bool:
    """Return whether a webhook may connect to this address, which its host resolved to.

    Networks that the operator allows are reached by http and on any port too.
    """
    # A mapped or translated address reaches the IPv4 host inside it, so judge that one.
    inside = _unwrapped(address)
    if any(inside in network or address in network for network in allowed):
        return True
    if destination.scheme != "https" or destination.port not in PUBLIC_PORTS:
        return False
    is_unicast = isinstance(inside, IPv4Address) or inside in _UNICAST
    return is_unicast and not any(inside in network for network in _NOT_PUBLIC)


def _unwrapped(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if any(address in network for network in _CARRIERS):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
