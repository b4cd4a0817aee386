"""Limits where requests come in. What was spent is carried in the WSGI environment, Django's META, to the answer.

A good key spends its own and its organization's quota. A refused presentation spends its network's; the keys of
neighbours do not suffer from it, for many agents may stand behind one address.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from apikeys.usage.spool.unproven import network
from apikeys.verify.denials import Denial, Reason
from apikeys.verify.judge import Credential
from config.lib.client_ip import client_ip
from config.lib.errors import RateLimited
from config.lib.limits import limiter
from config.lib.limits.rules import Rule, Standing, Verdict
from tenants.models import User

_NOTE = "keyway.limits"
MOST_REFUSALS = 10_000
REFUSAL_SECONDS = 30.0


class RecentlyRefused:
    """What was refused lately, as numbers that tell nothing of it and mean nothing in another process. Bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: OrderedDict[int, float] = OrderedDict()

    def add(self, presented: str) -> None:
        with self._lock:
            self._until[hash(presented)] = time.monotonic() + REFUSAL_SECONDS
            while len(self._until) > MOST_REFUSALS:
                self._until.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._until.clear()

    def discard(self, presented: str) -> None:
        with self._lock:
            self._until.pop(hash(presented), None)

    def __contains__(self, presented: str) -> bool:
        return self._until.get(hash(presented), 0.0) > time.monotonic()


recently_refused = RecentlyRefused()


def judge(
    meta: MutableMapping[str, Any], presented: str, verify: Callable[[str], Credential | Denial]
) -> Credential | Denial:
    """Verify what was presented, within its limits.

    What was refused before spends first and is verified after, so that past the limit it costs no query and no
    Argon2. Everything else is verified first: a stranger's limit is no reason to doubt a good key.
    """
    known = presented in recently_refused
    if known and (denial := refuse(meta)):
        return denial
    outcome = verify(presented)
    if isinstance(outcome, Credential):
        if known:
            recently_refused.discard(presented)
        return _use(meta, outcome) or outcome
    if outcome.reason is Reason.UNAVAILABLE:
        return outcome
    if (
        outcome.reason is not Reason.IP_NOT_ALLOWED
    ):  # the same secret may be good from elsewhere, where it must not spend first
        recently_refused.add(presented)
    return (None if known else refuse(meta, outcome)) or outcome


def refuse(meta: MutableMapping[str, Any], outcome: Denial | None = None) -> Denial | None:
    """Count a refused presentation for its network. Past the limit, that is what is told instead of the reason."""
    verdict = limiter.spend(refused=network(client_ip(meta)))
    if verdict.is_allowed:
        return None
    meta[_NOTE] = verdict
    return _limited(verdict, outcome)


def _use(meta: MutableMapping[str, Any], credential: Credential) -> Denial | None:
    mine = "application" if credential.is_token else "key"
    verdict = limiter.spend(
        **{mine: credential.id.hex, "organization": credential.organization.id.hex}
    )
    meta[_NOTE] = verdict
    return None if verdict.is_allowed else _limited(verdict, credential)


_WORDS = {
    "key": "This key may make {quota} requests in {seconds} seconds",
    "application": "This application may make {quota} requests in {seconds} seconds",
    "organization": "The keys of this organization may together make {quota} requests in {seconds} seconds",
    "refused": "Refused keys may be presented {quota} times in {seconds} seconds from one network",
}


def _limited(verdict: Verdict, outcome: Credential | Denial | None) -> Denial:
    exhausted = verdict.exhausted
    words = _WORDS[exhausted.rule.name].format(
        quota=exhausted.rule.quota, seconds=exhausted.rule.seconds
    )
    detail = f"{words}. Try again in {exhausted.seconds} seconds."
    presented = outcome.presented if outcome else None
    return Denial(Reason.RATE_LIMITED, detail, retry_after=exhausted.seconds, presented=presented)


def issue(by: User) -> None:
    """Spend one of the keys that somebody may issue in a while. Raises RateLimited."""
    verdict = limiter.spend(issue=str(by.pk))
    if not verdict.is_allowed:
        minutes = max(1, round(verdict.exhausted.seconds / 60))
        detail = f"You created many keys just now. Wait {minutes} minute{'s' if minutes > 1 else ''} and try again."
        raise RateLimited(detail, retry_after=verdict.exhausted.seconds)


def standings(meta: Mapping[str, Any]) -> tuple[Standing, ...]:
    """Where the caller stands after this request."""
    verdict: Verdict | None = meta.get(_NOTE)
    return verdict.standings if verdict else ()


def fields(meta: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The fields of draft-ietf-httpapi-ratelimit-headers-11, if anything is limited."""
    known = standings(meta)
    if not known:
        return ()
    left = ", ".join(
        [f'"{rule.name}";r={remaining};t={seconds}' for rule, remaining, seconds in known]
    )
    return ("RateLimit-Policy", _policy(tuple([standing.rule for standing in known]))), (
        "RateLimit",
        left,
    )


@lru_cache(maxsize=64)
def _policy(rules: tuple[Rule, ...]) -> str:
    return ", ".join(f'"{rule.name}";q={rule.quota};w={rule.seconds}' for rule in rules)
