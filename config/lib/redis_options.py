"""Connection options for every use of Redis: short timeouts, no retry, no handshake."""

from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry


def options(seconds: float) -> dict[str, Any]:
    """Return options for redis-py.

    A request waits at most twice `seconds`, once to connect and once for the reply.
    """
    return {
        "socket_connect_timeout": seconds,
        "socket_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }


def cache(server: str, seconds: float) -> dict[str, Any]:
    """Return an entry for Django's CACHES."""
    return {
        "BACKEND": "config.lib.cache.FallbackCache",
        "LOCATION": server,
        "OPTIONS": options(seconds),
    }
