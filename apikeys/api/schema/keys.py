"""Descriptions, examples and problems of the management API's operations."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from apikeys.api.bodies import KeyEdit, NewKey, Revocation, Rotation
from apikeys.api.request_serializers import (
    KeyRequestPageSerializer,
    KeyRequestQuery,
    KeyRequestSerializer,
)
from apikeys.api.schema.examples import KEY, KEY_REQUEST, SECRET
from apikeys.api.serializers import (
    EditedKeySerializer,
    IssuedKeySerializer,
    KeyPageSerializer,
    KeyQuery,
    RevokedKeySerializer,
    RotatedKeySerializer,
    ShownKeySerializer,
)
from config.lib.bodies import JSON
from config.lib.openapi import BODY, ERRORS, problems, schema_of

_INVALID = problems("validation_failed", "idempotency_key_reused", errors=ERRORS)
_MISSING = problems("not_found")
_POWER = (
    "not_key_owner",
    "scope_not_grantable",
    "stronger_than_issuer",
    "recent_sign_in_required",
    "csrf_failed",
)
_STRONG = problems(*_POWER)
_RULES = ("key_rules_broken", "approval_required")
_BUSY = problems("rate_limited")
_IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    OpenApiParameter.HEADER,
    description=(
        "Any value of up to 255 printable ASCII characters. A repeated request with the same value "
        "and body issues nothing and returns the key without its secret."
    ),
)
_NEW_KEY = schema_of(NewKey) | {
    "oneOf": [
        {
            "properties": {"kind": {"const": "public"}, "scopes": {"minItems": 1}},
            "required": ["scopes"],
        },
        {
            "properties": {"kind": {"const": "agent"}, "scopes": {"maxItems": 0}},
            "required": ["kind"],
        },
    ],
    "not": {
        "properties": {"expires_at": {"type": "string"}},
        "required": ["expires_at", "expires_in_days"],
    },
}
_KEY_EDIT = schema_of(KeyEdit)
_KEY_EDIT["properties"]["scopes"]["minItems"] = 1


def _request(name: str, value: dict[str, Any]) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True, media_type=JSON)


def _response(name: str, status: str, **more: Any) -> OpenApiExample:
    return OpenApiExample(name, value=KEY | more, response_only=True, status_codes=[status])


def _secret(state: str, created_at: str, **more: Any) -> dict[str, Any]:
    secret: dict[str, Any] = KEY["secrets"][0]
    return secret | {"state": state, "created_at": created_at} | more


LIST: dict[str, Any] = {
    "operation_id": "list_keys",
    "summary": "List keys, newest first",
    "description": (
        "Members see their own keys. Admins, owners and auditors see all keys of the organization."
    ),
    "tags": ["Keys"],
    "parameters": [KeyQuery],
    "responses": {200: KeyPageSerializer} | problems("invalid_parameter", "invalid_cursor"),
}
CREATE: dict[str, Any] = {
    "operation_id": "create_key",
    "summary": "Create a key",
    "description": (
        "The response contains the secret, which is never shown again. "
        "A key cannot have more access than its issuer. If the organization requires approval of "
        "live keys, the response is 202 with a request, and a second person answers it."
    ),
    "tags": ["Keys"],
    "parameters": [_IDEMPOTENCY],
    "request": {JSON: _NEW_KEY},
    "responses": {201: IssuedKeySerializer, 202: KeyRequestSerializer}
    | BODY
    | _INVALID
    | problems(*_POWER, *_RULES)
    | problems("not_enough_approvers")
    | _MISSING
    | _BUSY,
    "examples": [
        _request(
            "A script",
            {
                "name": "Production Webhook Server",
                "scopes": ["read:audit-activity"],
                "expires_in_days": 90,
            },
        ),
        _response("Created", "201", key=SECRET.reveal()),
        OpenApiExample(
            "Waits for approval", value=KEY_REQUEST, response_only=True, status_codes=["202"]
        ),
    ],
}
SHOW: dict[str, Any] = {
    "operation_id": "show_key",
    "summary": "Show a key",
    "tags": ["Keys"],
    "responses": {200: ShownKeySerializer} | problems("not_key_owner") | _MISSING,
    "examples": [_response("A key", "200", hosts=None)],
}
EDIT: dict[str, Any] = {
    "operation_id": "edit_key",
    "summary": "Edit a key",
    "description": (
        "Replaces the complete lists of scopes and networks. "
        "`expires_at` can be brought nearer but not moved out (422). "
        "Responds once every process rejects the removed access."
    ),
    "tags": ["Keys"],
    "request": {JSON: _KEY_EDIT},
    "responses": {200: EditedKeySerializer}
    | BODY
    | problems(*_POWER, *_RULES)
    | _MISSING
    | problems("key_not_usable"),
    "examples": [
        _request("Fewer networks", {"allowed_cidrs": ["192.0.2.0/24"]}),
        _response("Edited", "200", effective_at="2026-01-15T10:00:01Z"),
    ],
}
ROTATE: dict[str, Any] = {
    "operation_id": "rotate_key",
    "summary": "Rotate a key's secret",
    "description": (
        "Without `grace`, the old secret stops working immediately. With it, the new secret is "
        "pending until its first use, and the old one works for `grace` seconds from then on. A "
        "pending secret that is not used for seven days lapses. The body is optional."
    ),
    "tags": ["Keys"],
    "request": {JSON: schema_of(Rotation)},
    "responses": {200: RotatedKeySerializer}
    | BODY
    | _STRONG
    | _MISSING
    | problems("key_not_usable")
    | _BUSY,
    "examples": [
        _request("One hour of overlap", {"grace": 3600}),
        _response(
            "Rotated",
            "200",
            key=SECRET.reveal(),
            rotated_at="2026-01-16T10:00:00Z",
            secrets=[
                _secret("pending", "2026-01-16T10:00:00Z", lapses_at="2026-01-23T10:00:00Z"),
                _secret("live", "2026-01-15T10:00:00Z"),
            ],
            effective_at=None,
            old_key_expires_at=None,
            lapses_at="2026-01-23T10:00:00Z",
        ),
    ],
}
REVOKE: dict[str, Any] = {
    "operation_id": "revoke_key",
    "summary": "Revoke a key permanently",
    "description": "Responds once every process rejects the key. The body is optional.",
    "tags": ["Keys"],
    "request": {JSON: schema_of(Revocation)},
    "responses": {200: RevokedKeySerializer}
    | BODY
    | _STRONG
    | _MISSING
    | problems("already_revoked"),
}


LIST_REQUESTS: dict[str, Any] = {
    "operation_id": "list_key_requests",
    "summary": "List requests for keys, newest first",
    "description": (
        "Members see their own requests. Admins, owners and auditors see all of the organization."
    ),
    "tags": ["Key requests"],
    "parameters": [KeyRequestQuery],
    "responses": {200: KeyRequestPageSerializer} | problems("invalid_parameter"),
}
SHOW_REQUEST: dict[str, Any] = {
    "operation_id": "show_key_request",
    "summary": "Show a request for a key",
    "description": "Requests are approved and refused in the browser only.",
    "tags": ["Key requests"],
    "responses": {200: KeyRequestSerializer} | _MISSING,
}
COLLECT: dict[str, Any] = {
    "operation_id": "collect_key",
    "summary": "Collect an approved key",
    "description": (
        "For the person who requested it. Makes the key and its secret, which is never shown "
        "again. Power and key rules are checked as they are now."
    ),
    "tags": ["Key requests"],
    "request": None,
    "responses": {201: IssuedKeySerializer}
    | _MISSING
    | _BUSY
    | problems(
        "missing_token",
        *("scope_not_grantable", "stronger_than_issuer", "key_rules_broken", "forbidden"),
        *("recent_sign_in_required", "csrf_failed"),
    )
    | problems("request_not_open"),
    "examples": [_response("Collected", "201", key=SECRET.reveal())],
}
