"""The duties of this installation. Each app registers its own in AppConfig.ready()."""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
MOST_ROW_NAME = 300
# A duty due more often than this keeps its claim between runs. Otherwise draining an idle spool
# every second would cost a claim and a release, two commits, each second.
KEPT_BELOW = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Registration:
    """One duty as its app registered it."""

    name: str
    every: timedelta
    run: Callable[[], object]
    lasts: timedelta
    place: Callable[[], str] | None

    @property
    def row_name(self) -> str:
        """Name of the row in the database that this process claims."""
        if self.place is None:
            return self.name
        return f"{self.name}@{self.place()}"[:MOST_ROW_NAME]

    @property
    def keeps_claim(self) -> bool:
        return self.every < KEPT_BELOW


_registered: dict[str, Registration] = {}


def register(
    name: str,
    *,
    every: timedelta,
    run: Callable[[], object],
    lasts: timedelta = timedelta(seconds=30),
    place: Callable[[], str] | None = None,
) -> None:
    """Have every worker run `run` once per period.

    `run` must be idempotent: a worker that is killed between the work and its record leads to a
    second run. Whatever it raises is recorded, and the duty backs off. `lasts` is how long a claim
    is valid without renewal, and so how long a killed worker can delay the duty; a run may take
    longer, because the worker renews its claim. A duty about something local to a host, such as a
    directory, names it with `place`: each place has a row, a schedule and a lag of its own.
    """
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a name for a duty: use lower-case letters, digits and _."
        )
    if name in _registered:
        raise ValueError(f"The duty {name} is registered twice.")
    _registered[name] = Registration(name, every, run, lasts, place)


def registered() -> Sequence[Registration]:
    return tuple(_registered.values())


def host() -> str:
    return socket.gethostname()
