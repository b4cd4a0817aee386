"""`/api/v1/agent/…`. Requires an agent key."""

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from keyway.decoding import reader
from keyway.errors import Misconfigured
from keyway.events import AgentConfiguration, BatchOutcome, Event, HeartbeatAnswer
from keyway.wire import JSON, Answer, Call, as_json, rfc3339, without_none

_PATH = "/api/v1/agent"
_FIELDS = tuple(field.name for field in fields(Event))


def send_events(batch: Iterable[Event | Mapping[str, Any]]) -> Call[BatchOutcome]:
    """Send 1 to 10,000 events. Returns once they are stored. Idempotent.

    Raises BatchRefused if none was accepted. If only some were, `rejected` lists the others.
    """
    lines = [_line(event) for event in batch]
    if not lines:
        raise Misconfigured("A batch must have at least one event.")
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    body = gzip.compress(b"\n".join(lines), 6, mtime=0)
    return Call("POST", f"{_PATH}/events", reader(BatchOutcome), headers=headers, body=body)


def config(etag: str = "") -> Call[AgentConfiguration | None]:
    """Fetch the configuration in force, or None if it still matches `etag`."""
    headers = {"If-None-Match": etag} if etag else {}
    return Call("GET", f"{_PATH}/config", _read_configuration, headers=headers)


def heartbeat(
    host: str,
    version: str,
    *,
    configuration_version: int | None = None,
    queue_depth: int | None = None,
) -> Call[HeartbeatAnswer]:
    """Report that an agent is alive. A host's first heartbeat registers it."""
    beat = without_none(
        host=host,
        version=version,
        configuration_version=configuration_version,
        queue_depth=queue_depth,
    )
    return Call(
        "POST",
        f"{_PATH}/heartbeat",
        reader(HeartbeatAnswer),
        headers={"Content-Type": JSON},
        body=as_json(beat),
    )


def _read_configuration(answer: Answer) -> AgentConfiguration | None:
    if answer.status == 304:
        return None
    return replace(reader(AgentConfiguration)(answer), etag=answer.headers.get("etag", ""))


def _line(event: Event | Mapping[str, Any]) -> bytes:
    content = (
        {name: getattr(event, name) for name in _FIELDS}
        if isinstance(event, Event)
        else dict(event)
    )
    return json.dumps(
        {name: value for name, value in content.items() if value != ""}, default=_to_text
    ).encode()


def _to_text(value: object) -> str:
    return rfc3339(value) if isinstance(value, datetime) else str(value)
