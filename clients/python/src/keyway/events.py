"""Audit events, sent by agents and read back. Fields are named as in SQL Server's audit record."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An audit event to send. `event_id` is a UUID the sender chose; resending it is idempotent."""

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
    """An event stored by Keyway. `id` is ``evt_…``."""

    id: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an event was rejected. `index` is its position in the batch, from 0."""

    index: int
    code: str
    detail: str = ""
    field: str | None = None


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """`duplicate` counts events stored before. `rejected` ones stay rejected if sent again."""

    accepted: int
    duplicate: int
    rejected: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentConfiguration:
    """What an agent should collect. Pass `etag` to the next call to skip an unchanged version."""

    version: int
    heartbeat_interval_seconds: int
    batch_size: int
    actions: tuple[str, ...] = ()
    include_objects: tuple[str, ...] = ()
    exclude_objects: tuple[str, ...] = ()
    etag: str = ""


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """`rotating_out`: the presented secret is being replaced.

    It stops working at `rotating_out_at`, which is None until the new one was used.
    """

    configuration_version: int
    heartbeat_interval_seconds: int
    rotating_out: bool = False
    rotating_out_at: datetime | None = None
