"""Generate OpenAPI from the types that validate requests, so that the two cannot differ."""

from itertools import groupby
from typing import Any

import msgspec
from drf_spectacular.utils import OpenApiResponse

from config.lib.problems import CONTENT_TYPE, PROBLEMS

Schema = dict[str, Any]


def schema_of(form: type[msgspec.Struct]) -> Schema:
    components: dict[str, Schema] = msgspec.json.schema_components([form])[1]
    forbid_nul(components[form.__name__])
    return components[form.__name__]


def forbid_nul(schema: Any) -> None:
    """Exclude U+0000 from every free-text string in place, because PostgreSQL cannot store it."""
    if isinstance(schema, list):
        for each in schema:
            forbid_nul(each)
    elif isinstance(schema, dict):
        forbid_nul(list(schema.values()))
        if schema.get("type") == "string" and not schema.keys() & {"format", "pattern", "enum"}:
            schema["pattern"] = r"^[^\x00]*$"


def problems(*codes: str, **members: Schema) -> dict[tuple[int, str], OpenApiResponse]:
    """Describe the problems of one call. `members` are their additional members."""
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
    """Return the schema and the description of problems with these codes."""
    own = {"type": "object", "properties": {"code": {"enum": codes}} | members}
    words = " ".join(f"`{code}`: {PROBLEMS[code].detail}" for code in codes)
    return {"allOf": [{"$ref": "#/components/schemas/Problem"}, own]}, words


ERRORS: Schema = {
    "type": "object",
    "description": "Error messages by field.",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
}
# The problems of every call that reads a JSON object with config.lib.bodies.
BODY = problems("malformed_body", "body_too_large", "unsupported_media_type") | problems(
    "validation_failed", errors=ERRORS
)
