"""Django's cache in Redis, with this process's memory as the fallback during an outage.

allauth counts sign-in attempts and used codes in the cache. Without the fallback, no one could sign
in while Redis is down, and every sign-in would wait for a timeout while Redis hangs.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

from config.lib.breaker import CircuitBreaker, CircuitOpen

# Django creates one cache object per thread. All of them share one breaker.
_breaker = CircuitBreaker("Redis (cache)", RedisError)

Result = TypeVar("Result")


class FallbackCache(BaseCache):
    """Takes the OPTIONS of RedisCache. Their timeouts limit how long a caller waits for Redis."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._redis = RedisCache(server, params)
        self._local = LocMemCache("fallback for redis", params | {"OPTIONS": {}})

    def add(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        return self._with_fallback(lambda cache: cache.add(key, value, timeout, version))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._with_fallback(lambda cache: cache.get(key, default, version))

    def set(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        self._with_fallback(lambda cache: cache.set(key, value, timeout, version))

    def touch(
        self, key: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return self._with_fallback(lambda cache: cache.touch(key, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return self._with_fallback(lambda cache: cache.delete(key, version))

    def clear(self) -> None:
        self._local.clear()
        self._with_fallback(lambda cache: cache.clear())

    def _with_fallback(self, operation: Callable[[BaseCache], Result]) -> Result:
        try:
            return _breaker.call(lambda: operation(self._redis))
        except CircuitOpen:
            return operation(self._local)
