"""A note of what a request presented, from its verification until it is recorded.

The note travels in the WSGI environment (Django's META). The middleware records requests that
Django answers. The gateway answers without Django and calls `record` itself.
"""

import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from apikeys.usage.spool.append import appender
from apikeys.usage.spool.lines import MOST_ROUTE, MOST_USER_AGENT, UseLine, method
from apikeys.verify.denials import Denial, Presented, Reason
from apikeys.verify.judge import Credential
from config.lib import logs, metrics
from config.lib.client_ip import client_ip
from config.lib.text import printable

_NOTE = "keyway.presentation"
_MOST_ADDRESS = 64


@dataclass(slots=True)
class _Note:
    presented: Presented | None
    denial: str = ""
    is_token: bool = False  # uses of tokens are not recorded one by one


def admit(meta: MutableMapping[str, Any], outcome: Credential | Denial) -> Credential | Denial:
    """Note a presentation. Return `unavailable` if its use must be recorded and cannot be."""
    logs.about(outcome.presented)
    # Before the request does anything. After it, a change would be made that the usage cannot show.
    if outcome.presented and not appender().accepts():
        return Denial(Reason.UNAVAILABLE)
    if isinstance(outcome, Denial):
        meta[_NOTE] = _Note(outcome.presented, outcome.reason)
    else:
        meta[_NOTE] = _Note(outcome.presented, is_token=outcome.is_token)
    return outcome


def deny(meta: Mapping[str, Any], denial: Denial) -> None:
    """Note that the credential was valid and the request was denied:

    for its scope, rate or kind.
    """
    if note := meta.get(_NOTE):
        note.denial = denial.reason


def record(
    meta: Mapping[str, Any], *, began: float, status: int, route: str, called: str = ""
) -> bool:
    """Record the presentation, if there was one. False means: not recorded, so do not send the
    response.

    `began` is from time.perf_counter. `called` is the method to record if it differs from the
    request's.
    """
    note: _Note | None = meta.get(_NOTE)
    if note is None:
        return True
    metrics.count_presentation(note.denial or "accepted")
    if note.is_token:
        return True
    took = int((time.perf_counter() - began) * 1e6)
    at = time.time_ns() // 1000 - took
    address = client_ip(meta).partition("%")[0][:_MOST_ADDRESS]
    if note.presented is None:
        appender().count_unproven(minute=at // 60_000_000, address=address, reason=note.denial)
        return True
    line = UseLine(
        at=at,
        key_id=note.presented.key_id.hex,
        secret_id=note.presented.secret_id.hex,
        organization_id=note.presented.organization_id.hex,
        method=method(called or meta["REQUEST_METHOD"]),
        route=printable(route, MOST_ROUTE),
        status=status,
        denial=note.denial,
        address=address,
        user_agent=printable(meta.get("HTTP_USER_AGENT", ""), MOST_USER_AGENT),
        took=took,
    )
    return appender().record(line)
