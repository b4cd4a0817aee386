"""Count presentations that proved nothing, by minute and network, in bounded memory."""

import ipaddress
import threading
from collections import Counter
from functools import lru_cache

from apikeys.usage.spool.lines import UnprovenLine

# Further networks are counted under one name, since an attacker may command any number of them.
MOST_NETWORKS = 1000
ELSEWHERE = "elsewhere"
_IPV4_PREFIX, _IPV6_PREFIX = 24, 48

_Place = tuple[int, str, str]


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Return the /24 of an IPv4 address or the /48 of an IPv6 address.

    Return "" if there is no address, as over a Unix socket.
    """
    try:
        host = ipaddress.ip_address(address)
    except ValueError:
        return ""
    host = getattr(host, "ipv4_mapped", None) or host
    prefix = _IPV4_PREFIX if host.version == 4 else _IPV6_PREFIX
    return str(ipaddress.ip_network((host, prefix), strict=False))


class Counters:
    """Thread-safe counters. Put back those that were taken and could not be stored."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[_Place] = Counter()

    def add(self, *, minute: int, address: str, reason: str, requests: int = 1) -> None:
        self._add((minute, network(address), reason), requests)

    def put_back(self, line: UnprovenLine) -> None:
        self._add((line.minute, line.network, line.reason), line.requests)

    def take(self) -> list[UnprovenLine]:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return [UnprovenLine(*place, requests) for place, requests in counts.items()]

    def __bool__(self) -> bool:
        return bool(self._counts)

    def _add(self, place: _Place, requests: int) -> None:
        with self._lock:
            if place not in self._counts and len(self._counts) >= MOST_NETWORKS:
                place = (place[0], ELSEWHERE, place[2])
            self._counts[place] += requests
