"""The activity event as agents send it: its fields, their limits, and what makes two of them the same."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from config.lib.strict_json import Flaw

AHEAD = timedelta(minutes=5)
# Some way off the ends of the calendar, so that any time zone can show it.
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)

Name = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=65_536)]


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Field names are those of SQL Server's audit record, and of the columns that store them.

    A new field needs a default: then the digests of events sent before it stay what they were. They are no business
    of the garbage collector, which would spend more time on a batch than reading it takes: they cannot be in a cycle.
    """

    event_id: uuid.UUID
    event_time: Annotated[datetime, Meta(tz=True)]
    host: Annotated[str, Meta(min_length=1, max_length=256)]
    action_id: Annotated[str, Meta(min_length=1, max_length=16)]
    succeeded: bool
    action_name: Annotated[str, Meta(max_length=128)] = ""
    server_principal_name: Name = ""
    database_principal_name: Name = ""
    server_instance_name: Name = ""
    database_name: Name = ""
    schema_name: Name = ""
    object_name: Name = ""
    application_name: Name = ""
    host_name: Name = ""
    client_ip: Annotated[str, Meta(max_length=64)] = ""
    session_id: Annotated[str, Meta(max_length=64)] = ""
    statement: Text = ""
    additional_information: Text = ""


FIELDS = Event.__struct_fields__

_encode_lines = msgspec.json.Encoder().encode_lines


def encode(events: Sequence[Event]) -> bytes:
    """A line for each: fields in the order of the struct, empty ones left out. With times in UTC, the canonical encoding."""
    return _encode_lines(events)


def digests(encoded: bytes) -> list[bytes]:
    """For each line, 16 bytes of BLAKE2b that tell whether a second event with the same id is the same event."""
    return [hashlib.blake2b(line, digest_size=16).digest() for line in encoded.split(b"\n")[:-1]]


def in_utc(event: Event) -> Event:
    """The same event with its time in UTC: PostgreSQL knows no offset of 16 hours or more, which RFC 3339 allows."""
    if event.event_time.tzinfo is UTC:
        return event
    return msgspec.structs.replace(event, event_time=event.event_time.astimezone(UTC))


def flaw_in_time(event: Event, at: datetime) -> Flaw | None:
    """Judge the event's time against the time of receiving: clocks may differ, but not by more than five minutes."""
    if event.event_time > at + AHEAD:
        return Flaw(
            "time_in_future",
            "event_time",
            "The time is more than 5 minutes ahead of the server's clock.",
        )
    if event.event_time < EARLIEST:
        return Flaw("time_too_early", "event_time", "The time is before the year 1900.")
    return None
