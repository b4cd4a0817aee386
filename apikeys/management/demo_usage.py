"""Usage for the demo: the requests of 30 days, moved by the drainer as those of a server are."""

import random
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from apikeys.models import Key
from apikeys.usage.drain import Drainer
from apikeys.usage.models import EPOCH
from apikeys.usage.spool.lines import UseLine, encode
from apikeys.usage.spool.spool import Spool

READ = ("GET", "/api/v1/public/audit-activity")
BEAT = ("POST", "/api/v1/agent/heartbeat")
SEND = ("POST", "/api/v1/agent/events")
_SPOOL_BYTES = 1024**3
_HOUR = timedelta(hours=1)
_WORKING = range(8, 18)
_QUIET = 0.15


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests of one caller. `denial` is the reason of one request in a hundred.

    `is_steady` is for machines. People and their scripts work by day.
    """

    key: Key
    secret_id: uuid.UUID
    calls: tuple[tuple[str, str], ...]
    per_hour: float
    address: str
    user_agent: str
    is_steady: bool = False
    denial: str = ""


def record(traffic: Sequence[Traffic], *, since: datetime, until: datetime, seed: int) -> None:
    """Store the requests through a spool of their own, so that no other spool is touched."""
    dice = random.Random(seed)  # noqa: S311  a demo, not a secret
    uses = sorted(
        (line for each in traffic for line in _lines(each, since, until, dice)),
        key=lambda line: line.at,
    )
    drain(uses)


def drain(uses: Sequence[UseLine]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), most_bytes=_SPOOL_BYTES)
        for use in uses:
            spool.write(encode(use))
        spool.close()
        Drainer(Path(folder)).drain()


def line(of: Traffic, at: datetime, dice: random.Random, *, denial: str = "") -> UseLine:
    method, route = dice.choice(of.calls)
    return UseLine(
        at=(at - EPOCH) // timedelta(microseconds=1),
        key_id=of.key.pk.hex,
        secret_id=of.secret_id.hex,
        organization_id=of.key.organization_id.hex,
        method=method,
        route=route,
        status=403 if denial else 200,
        denial=denial,
        address=of.address,
        user_agent=of.user_agent,
        took=dice.randrange(2_000, 40_000),
    )


def _lines(of: Traffic, since: datetime, until: datetime, dice: random.Random) -> Iterator[UseLine]:
    hour = since
    while hour < until:
        is_busy = of.is_steady or (hour.weekday() < 5 and hour.hour in _WORKING)
        expected = of.per_hour * (1 if is_busy else _QUIET)
        for _ in range(int(expected + dice.random())):
            at = hour + _HOUR * dice.random()
            if at < until:
                is_denied = of.denial and dice.random() < 0.01
                yield line(of, at, dice, denial=of.denial if is_denied else "")
        hour += _HOUR
