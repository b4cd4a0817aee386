"""Who is calling, from one setting: the number of trusted proxies in front of Keyway."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings

_MOST_CHARACTERS = 64


def client_ip(meta: Mapping[str, Any]) -> str:
    """Return the caller's address, "" where there is none (a Unix socket).

    Each trusted proxy appends one entry to X-Forwarded-For, so with N proxies the N-th entry from
    the right is the last one a stranger could not have written. All left of it is hearsay.
    """
    hops = settings.KEYWAY_TRUSTED_PROXIES
    candidate = meta.get("REMOTE_ADDR", "")
    if hops:
        forwarded = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(forwarded) >= hops:
            candidate = forwarded[-hops]
    return _spell(candidate) if len(candidate) <= _MOST_CHARACTERS else ""


@lru_cache(
    maxsize=4096
)  # parsing costs more than all else that is done for a warm request's record
def _spell(candidate: str) -> str:
    try:
        return str(ipaddress.ip_address(candidate))
    except ValueError:
        return ""
