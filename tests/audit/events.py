"""Builders for events as agents send them."""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from audit.activity import batch, ingest
from audit.activity.ingest import Outcome, Partition
from config.lib.strict_json import Flaw

NOW = datetime(2025, 11, 21, 12, tzinfo=UTC)


def event(**facts: Any) -> dict[str, Any]:
    """Make a valid event with an id of its own."""
    needed = {
        "event_id": str(uuid.uuid4()),
        "event_time": "2025-11-21T11:59:00.123456Z",
        "host": "sql-prod-01",
        "action_id": "SL",
        "succeeded": True,
    }
    return needed | facts


def array(events: Iterable[Any]) -> bytes:
    return json.dumps(list(events)).encode()


def lines(events: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def flaws(body: bytes) -> list[tuple[int, str, str | None]]:
    """Return the index, code and field of each flaw in an array of events."""
    verdicts = batch.read_array(body)
    return [
        (index, flaw.code, flaw.field)
        for index, flaw in enumerate(verdicts)
        if isinstance(flaw, Flaw)
    ]


def send(partition: Partition, events: Iterable[Any], *, at: datetime = NOW) -> Outcome:
    return ingest.receive(partition=partition, verdicts=batch.read_array(array(events)), at=at)
