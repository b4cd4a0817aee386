"""How Redis is reached wherever it is used: one short wait, and no question to a new connection before it is used."""

from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry


def options(seconds: float) -> dict[str, Any]:
    """Options of a redis-py connection. A request waits for at most twice `seconds`: to connect, and for the answer."""
    return {
        "socket_connect_timeout": seconds,
        "socket_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }


def cache(server: str, seconds: float) -> dict[str, Any]:
    """Of CACHES in Django."""
    return {
        "BACKEND": "config.lib.cache.RedisOrHereCache",
        "LOCATION": server,
        "OPTIONS": options(seconds),
    }
