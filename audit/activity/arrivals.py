"""What else happens when a batch arrives: apps above register it when they start."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from audit.trail.actor import Actor


@dataclass(frozen=True, slots=True)
class Arrival:
    """One stored batch: whose, sent with which key, and the hosts whose events it carried."""

    organization_id: uuid.UUID
    environment: str
    key_id: uuid.UUID | None
    hosts: Collection[str]
    at: datetime
    by: Actor


_listeners: list[Callable[[Arrival], None]] = []


def on_arrival(listener: Callable[[Arrival], None]) -> None:
    """Call `listener` in the transaction that stores each batch. What it raises stores nothing."""
    _listeners.append(listener)


def announce(arrival: Arrival) -> None:
    for listener in _listeners:
        listener(arrival)
