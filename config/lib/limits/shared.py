"""Count limits in Redis, for all processes on all hosts together.

Redis is optional. Without it, each process counts its share.
"""

import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from config.lib.breaker import CircuitBreaker, CircuitOpen
from config.lib.limits.rules import SLICES, Claim, Standing, Verdict
from config.lib.redis_options import options

# Redis runs a script atomically, so no other request is counted between the check and the spending.
# A window is a hash from slice number to count. It uses Redis's clock, so the hosts' clocks may
# differ.
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
    """Thread-safe. Opens its connections on first use, after the server has forked."""

    def __init__(self, url: str, wait: timedelta) -> None:
        self._redis = Redis.from_url(url, **options(wait.total_seconds()))
        self._breaker = CircuitBreaker("Redis (limits)", RedisError)

    def spend(self, claims: Sequence[Claim]) -> Verdict | None:
        """Spend every claim, or none. Return None if Redis is unavailable."""
        names = [
            f"keyway:limit:{claim.rule.name}:{claim.rule.seconds}:{claim.subject}"
            for claim in claims
        ]
        terms = [term for claim in claims for term in (claim.rule.quota, claim.rule.seconds)]
        try:
            reply = self._breaker.call(
                lambda: self._redis.eval(_SPEND, len(names), *names, SLICES, *terms)
            )
        except CircuitOpen:
            return None
        return _verdict(claims, cast("list[int]", reply))


def _verdict(claims: Sequence[Claim], reply: list[int]) -> Verdict:
    pairs = zip(claims, reply[1::2], reply[2::2], strict=True)
    return Verdict(
        bool(reply[0]),
        tuple(Standing(claim.rule, remaining, seconds) for claim, remaining, seconds in pairs),
    )


def connect(url: str, wait: timedelta) -> Shared:
    """Return this process's connection.

    The lock keeps concurrent threads from creating two, each with a circuit breaker of its own.
    """
    with _connecting:
        return _connect(url, wait)


_connecting = threading.Lock()
_connect = lru_cache(maxsize=1)(Shared)
