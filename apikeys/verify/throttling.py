"""Rate limits for incoming requests. The verdict travels in the WSGI environment to the response.

A valid key spends its own quota and its organization's, a token its application's or user's. A
refused presentation spends the quota of its network. Valid keys from the same network are not
affected, because many agents may share one address.
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

_NOTE = "keyway.limits"
MOST_REFUSALS = 10_000
REFUSAL_SECONDS = 30.0


class RecentlyRefused:
    """Recently refused presentations. Thread-safe and bounded.

    Kept as Python hashes, which are seeded per process: they reveal nothing of what was presented.
    """

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


def within_limits(
    meta: MutableMapping[str, Any], presented: str, verify: Callable[[], Credential | Denial]
) -> Credential | Denial:
    """Verify a presentation within its limits.

    `presented` identifies the presentation: all that its verdict depends on.
    """
    known = presented in recently_refused
    # A presentation that was just refused spends before it is verified. Past the limit it therefore
    # costs no query and no Argon2. Everything else is verified first: the limit of a network must
    # not stop a valid key that comes from it.
    if known and (denial := refuse(meta)):
        return denial
    outcome = verify()
    if isinstance(outcome, Credential):
        if known:
            recently_refused.discard(presented)
        return _use(meta, outcome) or outcome
    # Our own fault spends nothing, or an outage would lock out every network that retries.
    if outcome.reason is Reason.UNAVAILABLE:
        return outcome
    # The same secret may be valid from an allowed network, where it must not spend first.
    if outcome.reason is not Reason.IP_NOT_ALLOWED:
        recently_refused.add(presented)
    # A known one has spent above already.
    return (None if known else refuse(meta, outcome)) or outcome


def refuse(meta: MutableMapping[str, Any], outcome: Denial | None = None) -> Denial | None:
    """Spend one refusal of the caller's network.

    Past the limit, return the denial for that instead.
    """
    verdict = limiter.spend(refused=network(client_ip(meta)))
    if verdict.is_allowed:
        return None
    meta[_NOTE] = verdict
    return _limited(verdict, outcome)


def _use(meta: MutableMapping[str, Any], credential: Credential) -> Denial | None:
    verdict = limiter.spend(
        **{credential.subject: credential.id.hex, "organization": credential.organization.id.hex}
    )
    meta[_NOTE] = verdict
    return None if verdict.is_allowed else _limited(verdict, credential)


_WORDS = {
    "key": "This key may make {quota} requests in {seconds} seconds",
    "application": "This application may make {quota} requests in {seconds} seconds",
    "user": "All tokens of one user may together make {quota} requests in {seconds} seconds",
    "organization": "The keys of this organization may together make {quota} requests"
    " in {seconds} seconds",
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


def issue(by: str) -> None:
    """Spend one of the keys that a caller, named by id, may create in a period.

    Raises RateLimited.
    """
    verdict = limiter.spend(issue=by)
    if not verdict.is_allowed:
        minutes = max(1, round(verdict.exhausted.seconds / 60))
        unit = "minutes" if minutes > 1 else "minute"
        detail = f"Too many new keys. Try again in {minutes} {unit}."
        raise RateLimited(detail, retry_after=verdict.exhausted.seconds)


def standings(meta: Mapping[str, Any]) -> tuple[Standing, ...]:
    """Return what is left of the caller's limits after this request."""
    verdict: Verdict | None = meta.get(_NOTE)
    return verdict.standings if verdict else ()


def fields(meta: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the headers of draft-ietf-httpapi-ratelimit-headers-11. Empty without limits."""
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
