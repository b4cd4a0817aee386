"""Django's cache in Redis, and in this process while Redis is away. allauth counts sign-ins and used codes in it.

Without the second half, nobody could sign in while Redis is gone, and everybody would wait while it hangs.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

from config.lib.breaker import Away, Breaker

# Django makes a cache for each thread; what one of them learns of Redis is for all.
_breaker = Breaker("Redis, for the cache,", RedisError)

Answer = TypeVar("Answer")


class RedisOrHereCache(BaseCache):
    """OPTIONS are those of RedisCache; its timeouts bound how long anybody waits."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._redis = RedisCache(server, params)
        self._here = LocMemCache("while redis is away", params | {"OPTIONS": {}})

    def add(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        return self._either(lambda cache: cache.add(key, value, timeout, version))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._either(lambda cache: cache.get(key, default, version))

    def set(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        self._either(lambda cache: cache.set(key, value, timeout, version))

    def touch(
        self, key: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return self._either(lambda cache: cache.touch(key, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return self._either(lambda cache: cache.delete(key, version))

    def clear(self) -> None:
        self._here.clear()
        self._either(lambda cache: cache.clear())

    def _either(self, work: Callable[[BaseCache], Answer]) -> Answer:
        try:
            return _breaker.ask(lambda: work(self._redis))
        except Away:
            return work(self._here)
