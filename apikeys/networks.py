"""The networks a key may be used from. Pure. An empty tuple allows every address.

IPv4-mapped IPv6 addresses (::ffff:192.0.2.1, from a dual-stack socket) and networks are treated as
IPv4. Otherwise a key bound to 192.0.2.0/24 would be refused or admitted depending on the socket.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)

Network = IPv4Network | IPv6Network
MOST_NETWORKS = 64
MOST_CHARACTERS = 49  # the longest IPv6 address, a slash, and three digits
NOT_A_NETWORK = (
    "is not a network such as 192.0.2.0/24 or 2001:db8::/32, with no bits set after the prefix."
)
_MAPPED = IPv6Network("::ffff:0:0/96")


def parse(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parse networks in CIDR notation, or single addresses, and drop duplicates.

    Raises ValueError, which names the position of the invalid entry and never repeats its text.
    """
    return tuple(
        dict.fromkeys(_parse(text, position) for position, text in enumerate(texts, start=1))
    )


def _parse(text: str, position: int) -> Network:
    try:
        if len(text) > MOST_CHARACTERS or "%" in text or not text.isascii():
            raise ValueError(text)
        network = ip_network(text.strip())
    except ValueError:
        raise ValueError(f"Entry {position} {NOT_A_NETWORK}") from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


def allow(networks: tuple[Network, ...], address: str) -> bool:
    """Whether `address` is in one of the networks.

    A bound key refuses a caller without an address.
    """
    if not networks:
        return True
    caller = _address(address)
    return caller is not None and any(
        caller.version == network.version and caller in network for network in networks
    )


@lru_cache(maxsize=4096)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def cover(wide: tuple[Network, ...], narrow: tuple[Network, ...]) -> bool:
    """Whether every address of `narrow` is in `wide`."""
    if not wide or not narrow:
        return not wide
    # Collapse first: 10.0.0.0/25 and 10.0.0.128/25 together cover 10.0.0.0/24, but neither does
    # alone.
    fours = list(collapse_addresses(n for n in wide if isinstance(n, IPv4Network)))
    sixes = list(collapse_addresses(n for n in wide if isinstance(n, IPv6Network)))
    return all(
        any(n.subnet_of(w) for w in fours)
        if isinstance(n, IPv4Network)
        else any(n.subnet_of(w) for w in sixes)
        for n in narrow
    )
