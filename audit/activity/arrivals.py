"""Notify apps above about stored batches. They register a listener when they start."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from audit.trail.actor import Actor


@dataclass(frozen=True, slots=True)
class Arrival:
    """One stored batch: its organization and environment, the key that sent it, and its hosts.

    `secret_id` is the secret of the key that was presented.
    """

    organization_id: uuid.UUID
    environment: str
    key_id: uuid.UUID | None
    hosts: Collection[str]
    at: datetime
    by: Actor
    secret_id: uuid.UUID | None = None


_listeners: list[Callable[[Arrival], None]] = []


def on_arrival(listener: Callable[[Arrival], None]) -> None:
    """Call `listener` in the transaction of each batch. If it raises, the batch is not stored."""
    _listeners.append(listener)


def announce(arrival: Arrival) -> None:
    for listener in _listeners:
        listener(arrival)
