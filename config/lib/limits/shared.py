"""Count in Redis, for all processes on all hosts together.

Without Redis, each process has its share.
"""

import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from config.lib.breaker import Away, Breaker
from config.lib.limits.rules import SLICES, Claim, Standing, Verdict
from config.lib.redis_options import options

# Redis runs a script as one step, so no other request is counted between the check and the
# spending. A window is a hash from slice number to count. The clock is that of Redis: hosts may
# disagree.
_SPEND = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local slices = tonumber(ARGV[1])
local answer, windows = {1}, {}
for i, key in ipairs(KEYS) do
  local quota, width = tonumber(ARGV[2 * i]), ARGV[2 * i + 1] * 1000000 / (slices - 1)
  local current = math.floor(now / width)
  local spent, oldest = 0, current
  local fields = redis.call('HGETALL', key)
  for f = 1, #fields, 2 do
    local slice = tonumber(fields[f])
    if slice <= current - slices then
      redis.call('HDEL', key, fields[f])
    else
      spent = spent + fields[f + 1]
      oldest = math.min(oldest, slice)
    end
  end
  if spent >= quota then answer[1] = 0 end
  windows[i] = {key, quota, width, current, spent, oldest}
end
for i, window in ipairs(windows) do
  local key, quota, width, current, spent, oldest = unpack(window)
  if answer[1] == 1 then
    redis.call('HINCRBY', key, string.format('%.0f', current), 1)
    redis.call('PEXPIRE', key, math.ceil(width * slices / 1000))
    spent = spent + 1
  end
  answer[2 * i] = math.max(0, quota - spent)
  answer[2 * i + 1] = math.max(1, math.ceil(((oldest + slices) * width - now) / 1000000))
end
return answer
"""


class Shared:
    """Thread-safe. Connects lazily, in the process that uses it."""

    def __init__(self, url: str, wait: timedelta) -> None:
        self._redis = Redis.from_url(url, **options(wait.total_seconds()))
        self._breaker = Breaker("Redis, for limits,", RedisError)

    def spend(self, claims: Sequence[Claim]) -> Verdict | None:
        """Spend one of each claim, or nothing. Return None if Redis does not answer."""
        names = [
            f"keyway:limit:{claim.rule.name}:{claim.rule.seconds}:{claim.subject}"
            for claim in claims
        ]
        terms = [term for claim in claims for term in (claim.rule.quota, claim.rule.seconds)]
        try:
            answer = self._breaker.ask(
                lambda: self._redis.eval(_SPEND, len(names), *names, SLICES, *terms)
            )
        except Away:
            return None
        return _verdict(claims, cast("list[int]", answer))


def _verdict(claims: Sequence[Claim], answer: list[int]) -> Verdict:
    pairs = zip(claims, answer[1::2], answer[2::2], strict=True)
    return Verdict(
        bool(answer[0]),
        tuple(Standing(claim.rule, remaining, seconds) for claim, remaining, seconds in pairs),
    )


def connect(url: str, wait: timedelta) -> Shared:
    """Return this process's connection pool and circuit breaker.

    Locked, so that threads which start together share one. Two breakers would each have to wait for
    a Redis that is down.
    """
    with _connecting:
        return _connect(url, wait)


_connecting = threading.Lock()
_connect = lru_cache(maxsize=1)(Shared)
