"""`/api/v1/agent/…`, for agent keys."""

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from keyway.decoding import reader
from keyway.errors import Misconfigured
from keyway.events import AgentConfiguration, BatchOutcome, Event, HeartbeatAnswer
from keyway.wire import JSON, Answer, Call, as_json, given, moment

_PATH = "/api/v1/agent"
_FIELDS = tuple(field.name for field in fields(Event))


def send_events(batch: Iterable[Event | Mapping[str, Any]]) -> Call[BatchOutcome]:
    """Send 1 to 10,000 events. Answered when they are stored; harmless to repeat.

    Raises BatchRefused where none was accepted; look at `rejected` where some were not.
    """
    lines = [_line(event) for event in batch]
    if not lines:
        raise Misconfigured("A batch has at least one event.")
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    body = gzip.compress(b"\n".join(lines), 6, mtime=0)
    return Call("POST", f"{_PATH}/events", reader(BatchOutcome), headers=headers, body=body)


def config(etag: str = "") -> Call[AgentConfiguration | None]:
    """Fetch the configuration in force; None while it is still the one of `etag`."""
    headers = {"If-None-Match": etag} if etag else {}
    return Call("GET", f"{_PATH}/config", _read_configuration, headers=headers)


def heartbeat(
    host: str,
    version: str,
    *,
    configuration_version: int | None = None,
    queue_depth: int | None = None,
) -> Call[HeartbeatAnswer]:
    """Tell that an agent is alive. The first heartbeat of a host registers it."""
    beat = given(
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
    told = (
        {name: getattr(event, name) for name in _FIELDS}
        if isinstance(event, Event)
        else dict(event)
    )
    return json.dumps(
        {name: value for name, value in told.items() if value != ""}, default=_spell
    ).encode()


def _spell(value: object) -> str:
    return moment(value) if isinstance(value, datetime) else str(value)
