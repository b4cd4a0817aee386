"""How the agent and activity APIs describe themselves: made of the types that do the validating."""

from itertools import groupby
from typing import Any

import msgspec
from drf_spectacular.utils import OpenApiResponse

from audit.activity.batch import MAX_EVENTS
from audit.activity.event import Event
from audit.activity.ingest import Rejection
from config.lib.problems import CONTENT_TYPE, PROBLEMS

Schema = dict[str, Any]


def schema_of(form: type[msgspec.Struct]) -> Schema:
    components: dict[str, Schema] = msgspec.json.schema_components([form])[1]
    forbid_nul(components[form.__name__])
    return components[form.__name__]


def forbid_nul(schema: Any) -> None:
    """Say in every string of free text that U+0000 is not taken: no database stores it."""
    if isinstance(schema, list):
        for each in schema:
            forbid_nul(each)
    elif isinstance(schema, dict):
        forbid_nul(list(schema.values()))
        if schema.get("type") == "string" and not schema.keys() & {"format", "pattern", "enum"}:
            schema["pattern"] = r"^[^\x00]*$"


def problems(*codes: str, **members: Schema) -> dict[tuple[int, str], OpenApiResponse]:
    """Describe the refusals a call has of its own; `members` are those its problems carry beside the usual ones."""
    by_status = groupby(
        sorted(codes, key=lambda code: PROBLEMS[code].status),
        key=lambda code: PROBLEMS[code].status,
    )
    described = {status: describe(list(same), members) for status, same in by_status}
    return {
        (status, CONTENT_TYPE): OpenApiResponse(schema, description=words)
        for status, (schema, words) in described.items()
    }


def describe(codes: list[str], members: dict[str, Schema]) -> tuple[Schema, str]:
    """The schema of the problem with one of these codes, and its words."""
    own = {"type": "object", "properties": {"code": {"enum": codes}} | members}
    words = " ".join(f"`{code}`: {PROBLEMS[code].detail}" for code in codes)
    return {"allOf": [{"$ref": "#/components/schemas/Problem"}, own]}, words


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
