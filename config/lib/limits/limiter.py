"""Spend under the limits in force, in Redis or else in this process for its share."""

import time
from collections.abc import Mapping
from functools import lru_cache

from config.lib.limits import conf, shared
from config.lib.limits.rules import Claim, Rule, Verdict
from config.lib.limits.window import Windows
from config.lib.rates import Rate

_here = Windows()


def spend(**subjects: str) -> Verdict:
    """Spend one of each named limit, or none if one is exhausted: ``spend(key=…, organization=…)``.

    A limit that is off allows everything and is left out of the standings.
    """
    redis = conf.redis()
    if redis and (claims := _claims(subjects, processes=1)):
        verdict = shared.connect(*redis).spend(claims)
        if verdict is not None:
            return verdict
    return _here.spend(_claims(subjects, conf.processes()), time.monotonic())


def forget() -> None:
    """Drop this process's counts."""
    _here.clear()


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
