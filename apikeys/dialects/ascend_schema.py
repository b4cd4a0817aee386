"""Descriptions, examples and problems of ASCEND's operations."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from apikeys.api.schema.examples import SECRET
from apikeys.dialects.ascend_serializers import (
    MOST_LISTED,
    AscendUsageSerializer,
    Generate,
    GeneratedSerializer,
    KeyListSerializer,
    RevokedSerializer,
)
from config.lib.bodies import JSON
from config.lib.examples import KEY_ID
from config.lib.openapi import BODY, ERRORS, problems, schema_of

_TAG = "Dialect: ASCEND"
_MISSING = problems("not_found", "not_key_owner")
_ORGANIZATION = OpenApiParameter(
    "X-Organization-Id",
    {"type": "string", "minLength": 1},
    OpenApiParameter.HEADER,
    description="`org_…` or slug of the organization, for a person who has several.",
)


def _response(name: str, status: str, value: dict[str, Any]) -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True, status_codes=[status])


_ORDER = {
    "name": "Production Backend",
    "description": "Main production service API access",
    "expires_in_days": 90,
}
GENERATE: dict[str, Any] = {
    "operation_id": "ascend_generate_key",
    "summary": "Generate a key of the organization",
    "description": (
        "The key has the scopes of the preset Read. Requires the role admin or owner, or a key "
        "that covers the new one."
    ),
    "tags": [_TAG],
    "parameters": [_ORGANIZATION],
    "request": {JSON: schema_of(Generate)},
    "responses": {201: GeneratedSerializer}
    | BODY
    | problems("validation_failed", errors=ERRORS)
    | problems(
        "scope_not_grantable", "stronger_than_issuer", "key_rules_broken", "approval_required"
    )
    | problems("not_found", "rate_limited"),
    "examples": [
        OpenApiExample("A backend", value=_ORDER, request_only=True, media_type=JSON),
        _response(
            "Generated",
            "201",
            {
                "api_key": SECRET.reveal(),
                "key_id": KEY_ID,
                "name": _ORDER["name"],
                "description": _ORDER["description"],
                "expires_at": "2026-04-20T00:00:00Z",
                "message": "Store this key securely. It will not be shown again.",
            },
        ),
    ],
}
LIST: dict[str, Any] = {
    "operation_id": "ascend_list_keys",
    "summary": "List keys, newest first",
    "description": (
        f"Lists up to {MOST_LISTED:,} keys. `GET /api/v1/api-keys` has filters and pages. "
        "Members see their own keys. Admins, owners and auditors see all keys of the organization."
    ),
    "tags": [_TAG],
    "parameters": [_ORGANIZATION],
    "responses": {200: KeyListSerializer} | problems("not_found"),
    "examples": [
        _response(
            "Keys",
            "200",
            {
                "keys": [
                    {
                        "id": KEY_ID,
                        "name": _ORDER["name"],
                        "key_prefix": SECRET.mask.replace("…", "..."),
                        "description": _ORDER["description"],
                        "created_at": "2026-01-20T10:30:00Z",
                        "expires_at": "2026-04-20T10:30:00Z",
                        "last_used_at": "2026-01-20T14:22:15Z",
                        "status": "active",
                        "total_requests": 1542,
                    }
                ],
                "total": 1,
            },
        )
    ],
}
USAGE: dict[str, Any] = {
    "operation_id": "ascend_key_usage",
    "summary": "Show a key's usage",
    "tags": [_TAG],
    "parameters": [_ORGANIZATION],
    "responses": {200: AscendUsageSerializer} | _MISSING,
    "examples": [
        _response(
            "Usage",
            "200",
            {
                "key_id": KEY_ID,
                "key_name": _ORDER["name"],
                "usage": {
                    "total_requests": 1542,
                    "requests_24h": 156,
                    "requests_7d": 892,
                    "requests_30d": 1542,
                    "error_count": 12,
                    "error_rate": 0.78,
                },
                "last_used": "2026-01-20T14:22:15Z",
                "top_endpoints": [
                    {"endpoint": "GET /api/v1/public/audit-activity", "count": 1130},
                    {"endpoint": "GET /api/v1/whoami", "count": 412},
                ],
                "daily_usage": [
                    {"date": "2026-01-20", "requests": 156},
                    {"date": "2026-01-19", "requests": 178},
                ],
            },
        )
    ],
}
REVOKE: dict[str, Any] = {
    "operation_id": "ascend_revoke_key",
    "summary": "Revoke a key permanently",
    "description": "Responds once every process rejects the key.",
    "tags": [_TAG],
    "parameters": [_ORGANIZATION],
    "responses": {200: RevokedSerializer}
    | _MISSING
    | problems("stronger_than_issuer", "already_revoked"),
    "examples": [
        _response(
            "Revoked",
            "200",
            {
                "success": True,
                "message": "API key revoked successfully",
                "key_id": KEY_ID,
                "revoked_at": "2026-01-20T15:00:00Z",
            },
        )
    ],
}
