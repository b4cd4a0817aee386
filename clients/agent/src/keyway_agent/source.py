"""The interface of event sources."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from keyway_agent.event import Event


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry read from a source. `receipt` is the source's own note of its position.

    `event` is None if there is nothing to send; the entry still advances the source's position.
    """

    event: Event | None
    receipt: object = field(repr=False)

    @property
    def size(self) -> int:
        """The approximate size in characters, for bounding memory and batches."""
        return (
            500 + len(str(self.event["statement"])) + len(str(self.event["additional_information"]))
            if self.event
            else 100
        )


class Source(Protocol):
    def read(self) -> Sequence[Entry]:
        """Return the next entries, [] if there are none yet. Raises Unreadable."""

    def delivered(self, entries: Sequence[Entry]) -> None:
        """Record durably that these entries, in the order of read(), need not be read again."""

    def backlog(self) -> int:
        """Return how much is undelivered, in the source's own unit. Raises Unreadable.

        Called from the heartbeat thread.
        """

    def is_exhausted(self) -> bool:
        """Whether read() has returned everything available, so that --once may stop."""
