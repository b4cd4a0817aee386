"""The cache uses Redis, and works without it during an outage."""

import time
from collections.abc import Iterator

import pytest
from redis.exceptions import RedisError

from config.lib import cache as module
from config.lib.breaker import CircuitBreaker
from config.lib.cache import FallbackCache
from config.lib.redis_options import options
from tests.servers.redis import MISSING, RedisServer, find_redis

pytestmark = [pytest.mark.server, pytest.mark.skipif(find_redis() is None, reason=MISSING)]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _nothing_is_known_of_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_breaker", CircuitBreaker("Redis (cache)", RedisError))


@pytest.fixture
def cache(redis: RedisServer) -> FallbackCache:
    made = FallbackCache(redis.url, {"OPTIONS": options(10.0)})
    made.clear()
    return made


def test_the_cache_is_in_redis(cache: FallbackCache, redis: RedisServer) -> None:
    cache.set("name", ["value"], 60)
    assert cache.get("name") == ["value"]
    assert FallbackCache(redis.url, {"OPTIONS": options(10.0)}).get("name") == ["value"]
    assert cache.add("name", 1) is False
    assert cache.touch("name", 60)
    assert cache.incr("count", 0) == 0 if cache.add("count", 0) else False
    assert cache.get_many(["name", "none"]) == {"name": ["value"]}
    assert cache.delete("name")
    assert cache.get("name", "gone") == "gone"


@pytest.mark.parametrize("fault", ["kill", "hang"])
def test_without_redis_the_cache_is_in_this_process(fault: str, redis: RedisServer) -> None:
    cache = FallbackCache(redis.url, {"OPTIONS": options(0.02)})
    getattr(redis, fault)()
    began = time.monotonic()
    try:
        assert cache.add(f"code-{fault}", 1, 60)
        assert cache.add(f"code-{fault}", 1, 60) is False
        assert cache.get(f"code-{fault}") == 1
        assert time.monotonic() - began < 5, "a few times 20 ms, and the machine may be busy"
    finally:
        redis.resume() if fault == "hang" else redis.start()
    assert_back_within(60, cache, redis)


def assert_back_within(seconds: float, cache: FallbackCache, redis: RedisServer) -> None:
    until = time.monotonic() + seconds
    with redis.client as client:
        while not client.exists(cache.make_key("back")):
            assert time.monotonic() < until
            cache.set("back", 1, 60)
            time.sleep(0.05)
