"""Spend under the configured limits: in Redis, or in this process for its share of them."""

import time
from collections.abc import Mapping
from functools import lru_cache

from config.lib.limits import conf, shared
from config.lib.limits.rules import Claim, Rule, Verdict
from config.lib.limits.window import Windows
from config.lib.rates import Rate

_local = Windows()


def spend(**subjects: str) -> Verdict:
    """Spend one request of every named limit, or of none: ``spend(key=…, organization=…)``.

    Each value is the id of the subject. A limit that is off allows everything and has no standing.
    """
    redis = conf.redis()
    if redis and (claims := _claims(subjects, processes=1)):
        verdict = shared.connect(*redis).spend(claims)
        if verdict is not None:
            return verdict
    return _local.spend(_claims(subjects, conf.processes()), time.monotonic())


def forget() -> None:
    """Clear the counts of this process."""
    _local.clear()


def _claims(subjects: Mapping[str, str], processes: int) -> list[Claim]:
    rates = conf.limits()
    return [
        Claim(_rule(name, rate, processes), subject)
        for name, subject in subjects.items()
        if (rate := rates[name])
    ]


@lru_cache(maxsize=64)
def _rule(name: str, rate: Rate, processes: int) -> Rule:
    return Rule(name, *rate.share(processes))
