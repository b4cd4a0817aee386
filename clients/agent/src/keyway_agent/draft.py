"""An event in the making: what a record told, before it is known how it went on."""

from dataclasses import dataclass, field
from enum import Enum, auto

from keyway_agent.actions import Action
from keyway_agent.classify import Name
from keyway_agent.record import Record


class Phase(Enum):
    """What a record is in the story of its session."""

    STARTED = auto()  # told before it is done; it may fail yet
    FINISHED = auto()  # told when it is over
    FAILED = auto()  # the failure of something, often of what an earlier record told


@dataclass(slots=True)
class Draft:
    """`statement` is as logged. `audit_id` is pgAudit's number of the statement, several records may share it."""

    record: Record
    phase: Phase
    action: Action
    name: Name = field(default_factory=Name)
    statement: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    succeeded: bool = True
    notes: dict[str, object] = field(default_factory=dict, repr=False)
    audit_id: str = ""
