"""A draft event: what a log record says, before it is known whether the statement succeeded."""

from dataclasses import dataclass, field
from enum import Enum, auto

from keyway_agent.actions import Action
from keyway_agent.object_names import ObjectName
from keyway_agent.record import Record


class Phase(Enum):
    """When a record is logged, relative to what it describes."""

    STARTED = auto()  # before it ran; it may still fail
    FINISHED = auto()  # after it succeeded
    FAILED = auto()  # an error, usually of a statement logged by an earlier record


@dataclass(slots=True)
class Draft:
    """`statement` is as logged; `text` is the same without passwords.

    `audit_id` is pgAudit's statement number, which several records may share.
    """

    record: Record
    phase: Phase
    action: Action
    name: ObjectName = field(default_factory=ObjectName)
    statement: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    succeeded: bool = True
    notes: dict[str, object] = field(default_factory=dict, repr=False)
    audit_id: str = ""
