"""What agents tell, and what is read of it. Fields are named as in SQL Server's audit record."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An audit event to send. `event_id` is a UUID of the sender's: sending it twice stores it once."""

    event_id: str
    event_time: datetime
    host: str
    action_id: str
    succeeded: bool
    action_name: str = ""
    server_principal_name: str = ""
    database_principal_name: str = ""
    server_instance_name: str = ""
    database_name: str = ""
    schema_name: str = ""
    object_name: str = ""
    application_name: str = ""
    host_name: str = ""
    client_ip: str = ""
    session_id: str = ""
    statement: str = field(default="", repr=False)
    additional_information: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent(Event):
    """An event in Keyway: `id` is ``evt_…``."""

    id: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Rejection:
    """`index` is the event's place in the batch."""

    index: int
    code: str
    detail: str = ""
    field: str | None = None


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """`duplicate` were stored before. `rejected` will not be accepted by sending them again."""

    accepted: int
    duplicate: int
    rejected: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentConfiguration:
    """What an agent is to collect. `etag` says to the next call which version is known."""

    version: int
    heartbeat_interval_seconds: int
    batch_size: int
    actions: tuple[str, ...] = ()
    include_objects: tuple[str, ...] = ()
    exclude_objects: tuple[str, ...] = ()
    etag: str = ""


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """`rotating_out`: the secret presented is being replaced; take the new one soon."""

    configuration_version: int
    heartbeat_interval_seconds: int
    rotating_out: bool = False
