"""OpenAPI schemas and examples of a batch and of a page of activity."""

import json
import uuid

from audit.activity.batch import MAX_EVENTS
from audit.activity.event import FIELDS, Event
from audit.activity.ingest import Rejection
from config.lib.bodies import JSON, NDJSON
from config.lib.examples import example
from config.lib.export import csv_lines, ndjson_lines
from config.lib.ids import encode
from config.lib.openapi import Schema, schema_of

_EVENT_SCHEMA = schema_of(Event)
REJECTED: Schema = {"type": "array", "items": schema_of(Rejection)}
BATCH: Schema = {
    "application/json": {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_EVENTS,
        "items": _EVENT_SCHEMA,
    },
    "application/x-ndjson": {
        "type": "string",
        "description": "One event per line, each as in the JSON array.",
    },
}
OUTCOME: Schema = {
    "type": "object",
    "required": ["accepted", "duplicate", "rejected"],
    "properties": {
        "accepted": {"type": "integer", "description": "Events stored by this request."},
        "duplicate": {
            "type": "integer",
            "description": "Events that were already stored with the same content.",
        },
        "rejected": REJECTED,
    },
}
_STORED_EVENT: Schema = {
    "type": "object",
    "description": "A stored event.",
    "properties": {
        "id": {"type": "string", "description": "Keyway's id for the event, `evt_…`."},
        **_EVENT_SCHEMA["properties"],
        "received_at": {"type": "string", "format": "date-time"},
    },
}
PAGE: dict[tuple[int, str], Schema] = {
    (200, "application/json"): {
        "type": "object",
        "required": ["data", "next_cursor"],
        "properties": {
            "data": {"type": "array", "items": _STORED_EVENT},
            "next_cursor": {
                "type": ["string", "null"],
                "description": "Cursor for older events, or null on the last page.",
            },
        },
    },
    (200, "application/x-ndjson"): {"type": "string", "description": "One event per line."},
    (200, "text/csv"): {"type": "string", "description": "A header, then one event per line."},
}

_EVENT = {
    "event_id": "0199f3a2-7c31-7d6e-9a44-2f1b7c0de001",
    "event_time": "2026-01-15T10:00:00Z",
    "host": "sql-prod-01",
    "action_id": "SL",
    "succeeded": True,
    "server_principal_name": "app_reader",
    "database_name": "sales",
    "object_name": "orders",
    "statement": "SELECT * FROM orders",
}
_STORED = {
    "id": encode("evt", uuid.UUID(str(_EVENT["event_id"]))),
    **dict.fromkeys(FIELDS, ""),
    **_EVENT,
    "received_at": "2026-01-15T10:00:01Z",
}
_COLUMNS = ("id", *FIELDS, "received_at")

example(
    "send_events",
    request={JSON: [_EVENT], NDJSON: json.dumps(_EVENT) + "\n"},
    answer={JSON: {"accepted": 1, "duplicate": 0, "rejected": []}},
)
example(
    "list_audit_activity",
    answer={
        JSON: {"data": [_STORED], "next_cursor": None},
        NDJSON: "".join(ndjson_lines([_STORED], _COLUMNS)),
        "text/csv": "".join(csv_lines([_STORED], _COLUMNS)),
    },
)
