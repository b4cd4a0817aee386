"""Where events come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from keyway_agent.event import Event


@dataclass(frozen=True, slots=True)
class Entry:
    """Something of the source, in its order. `event` is None where there is nothing to send; it still moves the place on."""

    event: Event | None
    receipt: object = field(repr=False)

    @property
    def size(self) -> int:
        """Characters, roughly: what it takes of memory and of a batch."""
        return (
            500 + len(str(self.event["statement"])) + len(str(self.event["additional_information"]))
            if self.event
            else 100
        )


class Source(Protocol):
    def read(self) -> Sequence[Entry]:
        """Return what is next, [] when there is nothing just now. Raises Unreadable."""

    def delivered(self, entries: Sequence[Entry]) -> None:
        """Remember durably that these, in the order given by read(), need not come again."""

    def backlog(self) -> int:
        """How much is not delivered yet, in the source's own measure. Asked by another thread. Raises Unreadable."""

    def is_exhausted(self) -> bool:
        """Whether read() has given all there is, so that stopping now leaves nothing that could have been sent."""
