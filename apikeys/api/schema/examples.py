"""Examples in the API's description, by operation: what is sent and what is told, by media type.

Those of the management API and of user tokens are beside their words (apikeys.api.schema.keys, tenants.sign_in.api).
"""

import json
from typing import Any

from config.lib.bodies import JSON, NDJSON

_ORGANIZATION = {"id": "org_01kd3q8m7re6y8z2s4w5p9h3jd", "name": "Acme", "slug": "acme"}
_OWNER = {"id": "usr_01kd3q8m7rgk7m5n3b1v8c6x4z", "email": "alice@acme.example"}
_KEY = "key_01kd3q8m7rf2v9x4t6a1c0b5ne"
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
_STORED = (
    {"id": "evt_01k7st4z1h7tvsmh1f3dy0vrg1"} | _EVENT | {"received_at": "2026-01-15T10:00:01Z"}
)
_LINE = json.dumps(_EVENT) + "\n"
_CLIENT = {"client_id": "app_01kd3q8m7rf2v9x4t6a1c0b5ne", "client_secret": "s3cr3t"}
_KEYS = {
    "keys": [
        {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": "q3Zc…",
            "n": "0vx7agoebGcQ…",
            "e": "AQAB",
        }
    ],
}
_DESCRIPTION = {"openapi": "3.1.0", "info": {"title": "Keyway API", "version": "1"}, "paths": {}}
_USAGE = {
    "key_id": _KEY,
    "key_name": "Production Webhook Server",
    "usage": {
        "total_requests": 1520,
        "requests_24h": 96,
        "requests_7d": 640,
        "requests_30d": 1520,
        "error_count": 4,
        "error_rate": 0.26,
    },
    "last_used": "2026-01-15T10:00:00Z",
    "top_endpoints": [{"endpoint": "GET /api/v1/public/audit-activity", "count": 1516}],
    "daily_usage": [{"date": "2026-01-15", "requests": 96, "error_count": 0}],
    "denials": [{"reason": "insufficient_scope", "count": 4}],
    "secrets": [
        {
            "mask": "sk_live_tUsL…4wZ2",
            "created_at": "2026-01-01T10:00:00Z",
            "retired_at": None,
            "total_requests": 1520,
            "requests_24h": 96,
        }
    ],
    "incomplete": [],
}
_SHOWN = {
    "id": _KEY,
    "name": "Production Webhook Server",
    "description": "",
    "kind": "public",
    "environment": "live",
    "organization_id": _ORGANIZATION["id"],
    "owner": _OWNER,
    "scopes": ["read:audit-activity"],
    "allowed_cidrs": [],
    "status": "active",
    "mask": "sk_live_tUsL…4wZ2",
    "created_at": "2026-01-15T10:00:00Z",
    "expires_at": "2026-04-15T10:00:00Z",
    "last_used_at": None,
    "last_used_ip": None,
    "rotated_at": None,
    "paused_at": None,
    "revoked_at": None,
    "revoke_reason": "",
}
_WHOAMI = {
    "key_id": _KEY,
    "application_id": None,
    "name": "Production Webhook Server",
    "kind": "public",
    "environment": "live",
    "organization": _ORGANIZATION,
    "owner": _OWNER,
    "scopes": ["read:audit-activity"],
    "expires_at": "2026-04-15T10:00:00Z",
    "rotating_out_at": None,
    "limits": [
        {
            "limit": "key",
            "quota": 6000,
            "window_seconds": 60,
            "remaining": 5999,
            "resets_in_seconds": 1,
        }
    ],
}
_TOKENS = {
    "access_token": "…",
    "refresh_token": "…",
    "expires_in": 3600,
    "token_type": "Bearer",
    "scope": "read:audit-activity",
}
_HEARTBEAT = {
    "host": "sql-prod-01",
    "version": "1.4.0",
    "configuration_version": 3,
    "queue_depth": 0,
}
_ISSUER = "https://keyway.example"

EXAMPLES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "whoami": ({}, {JSON: _WHOAMI}),
    "key_usage": ({}, {JSON: _USAGE}),
    "list_keys": ({}, {JSON: {"data": [_SHOWN], "total": 1, "next_cursor": None}}),
    "revoke_key": (
        {JSON: {"reason": "It was in a screenshot."}},
        {
            JSON: {
                "id": _KEY,
                "revoked_at": "2026-01-16T10:00:00Z",
                "effective_at": "2026-01-16T10:00:00.250000Z",
            }
        },
    ),
    "send_events": (
        {JSON: [_EVENT], NDJSON: _LINE},
        {JSON: {"accepted": 1, "duplicate": 0, "rejected": []}},
    ),
    "send_heartbeat": (
        {JSON: _HEARTBEAT},
        {
            JSON: {
                "configuration_version": 3,
                "heartbeat_interval_seconds": 60,
                "rotating_out": False,
            }
        },
    ),
    "get_agent_configuration": (
        {},
        {
            JSON: {
                "version": 3,
                "heartbeat_interval_seconds": 60,
                "batch_size": 500,
                "actions": ["SL", "UP"],
                "include_objects": ["sales.*.*"],
                "exclude_objects": [],
            }
        },
    ),
    "list_audit_activity": (
        {},
        {
            JSON: {"data": [_STORED], "next_cursor": None},
            NDJSON: _LINE,
            "text/csv": "id,event_id,event_time\r\n",
        },
    ),
    "me": (
        {},
        {
            JSON: {
                **_OWNER,
                "name": "Alice",
                "is_staff": False,
                "organizations": [{**_ORGANIZATION, "role": "admin"}],
                "token_expires_at": "2026-01-15T11:00:00Z",
            }
        },
    ),
    "jwks": ({}, {JSON: _KEYS, "application/jwk-set+json": _KEYS}),
    "schema": (
        {},
        dict.fromkeys(
            (
                "application/vnd.oai.openapi",
                "application/vnd.oai.openapi+json",
                "application/yaml",
                JSON,
            ),
            _DESCRIPTION,
        ),
    ),
    "oauth_token": (
        {"application/x-www-form-urlencoded": {"grant_type": "client_credentials", **_CLIENT}},
        {JSON: _TOKENS},
    ),
    "oauth_revoke": ({"application/x-www-form-urlencoded": {"token": "kat_9aXw2Z", **_CLIENT}}, {}),
    "oauth_introspect": (
        {"application/x-www-form-urlencoded": {"token": "kat_9aXw2Z", **_CLIENT}},
        {JSON: {"active": False}},
    ),
    "oauth_metadata": (
        {},
        {
            JSON: {
                "issuer": _ISSUER,
                "authorization_endpoint": f"{_ISSUER}/oauth/authorize",
                "token_endpoint": f"{_ISSUER}/oauth/token",
                "response_types_supported": ["code"],
            }
        },
    ),
    "alive": ({}, {"text/plain": "alive\n"}),
    "ready": ({}, {"text/plain": "ready\n"}),
    "metrics": (
        {},
        {
            "text/plain": 'keyway_requests_total{method="GET",route="/api/v1/verify",status="204"} 7.0\n'
        },
    ),
}
