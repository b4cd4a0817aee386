"""The caller's IP address, from the number of trusted proxies in front of Keyway."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings

_MOST_CHARACTERS = 64


def client_ip(meta: Mapping[str, Any]) -> str:
    """Return the caller's address, or "" if it is unknown, as on a Unix socket."""
    hops = settings.KEYWAY_TRUSTED_PROXIES
    candidate = meta.get("REMOTE_ADDR", "")
    if hops:
        forwarded = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        # Count from the right. Each trusted proxy appends one entry, so the N-th from the right was
        # written by the outermost of N proxies. The caller can forge every entry to the left of it.
        if len(forwarded) >= hops:
            candidate = forwarded[-hops]
    return _spell(candidate) if len(candidate) <= _MOST_CHARACTERS else ""


# Parsing an address costs more than the rest of recording a request.
@lru_cache(maxsize=4096)
def _spell(candidate: str) -> str:
    try:
        return str(ipaddress.ip_address(candidate))
    except ValueError:
        return ""
