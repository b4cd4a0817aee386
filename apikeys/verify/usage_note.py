"""What a request presented, from when it is judged until it is recorded: carried in its WSGI environment, Django's META.

The middleware records what Django answers; what answers without Django (apikeys.verify.gateway) calls `record` itself.
"""

import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from apikeys.usage.spool.append import recorder
from apikeys.usage.spool.lines import MOST_ROUTE, MOST_USER_AGENT, UseLine, method
from apikeys.usage.spool.append import appender
from apikeys.usage.spool.lines import MOST_ROUTE, MOST_USER_AGENT, UseLine, method, text
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
    is_token: bool = False  # its uses are not recorded one by one


def admit(meta: MutableMapping[str, Any], outcome: Credential | Denial) -> Credential | Denial:
    """Note what was presented. Where usage must be recorded and cannot be, nothing goes on: that is `unavailable`."""
    logs.about(outcome.presented)
    if outcome.presented and not appender().accepts():
        return Denial(Reason.UNAVAILABLE)
    if isinstance(outcome, Denial):
        meta[_NOTE] = _Note(outcome.presented, outcome.reason)
    else:
        meta[_NOTE] = _Note(outcome.presented, is_token=outcome.is_token)
    return outcome


def deny(meta: Mapping[str, Any], denial: Denial) -> None:
    """Note that what was presented is refused after all: for its scope, its rate, its kind."""
    if note := meta.get(_NOTE):
        note.denial = denial.reason


def record(
    meta: Mapping[str, Any], *, began: float, status: int, route: str, called: str = ""
) -> bool:
    """Write down what was presented, if anything was. False: it could not be written, and must not be answered.

    `began` is of time.perf_counter. `called` is the method that counts, where it is not that of the request itself.
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
