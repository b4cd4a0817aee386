"""OpenAPI of the batch that agents send and of a page of activity."""

from audit.activity.batch import MAX_EVENTS
from audit.activity.event import Event
from audit.activity.ingest import Rejection
from config.lib.openapi import Schema, schema_of

_EVENT = schema_of(Event)
REJECTED: Schema = {"type": "array", "items": schema_of(Rejection)}
BATCH: Schema = {
    "application/json": {"type": "array", "minItems": 1, "maxItems": MAX_EVENTS, "items": _EVENT},
    "application/x-ndjson": {
        "type": "string",
        "description": "One event a line, as in the JSON array.",
    },
}
OUTCOME: Schema = {
    "type": "object",
    "required": ["accepted", "duplicate", "rejected"],
    "properties": {
        "accepted": {"type": "integer", "description": "Events stored by this call."},
        "duplicate": {
            "type": "integer",
            "description": "Events that were stored before and are the same.",
        },
        "rejected": REJECTED,
    },
}
_STORED_EVENT: Schema = {
    "type": "object",
    "description": "An activity event.",
    "properties": {
        "id": {"type": "string", "description": "The event in Keyway, `evt_…`."},
        **_EVENT["properties"],
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
                "description": "Leads to older events; null on the last page.",
            },
        },
    },
    (200, "application/x-ndjson"): {"type": "string", "description": "One event a line."},
    (200, "text/csv"): {"type": "string", "description": "A header line, then one event a line."},
}
