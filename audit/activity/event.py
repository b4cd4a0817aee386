"""The activity event as agents send it: its fields, their limits and its digest."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from config.lib.strict_json import Flaw

AHEAD = timedelta(minutes=5)
# Far enough from the start of the calendar that converting to any time zone cannot overflow.
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)

Name = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=65_536)]


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One audit event. Field names match SQL Server's audit record and our columns.

    Give a new field a default. Digests leave defaults out, so earlier events keep their digests and
    resending one stays idempotent.

    `gc=False` because an event cannot be part of a reference cycle, and tracking a batch would cost
    the garbage collector more time than reading it.
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
    """Encode each event as one line: fields in declaration order, empty ones left out.

    This is the canonical encoding, and fit for `digests`, only if all times are in UTC.
    """
    return _encode_lines(events)


def digests(encoded: bytes) -> list[bytes]:
    """Return 16 bytes of BLAKE2b for each line of `encode`.

    An event resent with the same id and the same digest is a duplicate; with another digest it is
    a conflict.
    """
    return [hashlib.blake2b(line, digest_size=16).digest() for line in encoded.split(b"\n")[:-1]]


def in_utc(event: Event) -> Event:
    """Convert the event's time to UTC.

    PostgreSQL rejects offsets of 16 hours or more, which RFC 3339 allows. Call before encoding: the
    same moment in two zones must have one digest.
    """
    if event.event_time.tzinfo is UTC:
        return event
    return msgspec.structs.replace(event, event_time=event.event_time.astimezone(UTC))


def flaw_in_time(event: Event, at: datetime) -> Flaw | None:
    """Check the event's time. Clocks may run up to five minutes ahead of `at`, when it arrived."""
    if event.event_time > at + AHEAD:
        return Flaw(
            "time_in_future",
            "event_time",
            "The time is more than 5 minutes ahead of the server's clock.",
        )
    if event.event_time < EARLIEST:
        return Flaw("time_too_early", "event_time", "The time is before the year 1900.")
    return None
