"""Examples of key operations, OAuth and the endpoints outside Django REST framework."""

from typing import Any
from uuid import UUID

from apikeys.oauth.token_format import TokenKind
from apikeys.oauth.token_format import example as example_token
from apikeys.verify import secret
from config import __version__
from config.lib.bodies import JSON
from config.lib.examples import (
    APPLICATION_ID,
    KEY_ID,
    ORGANIZATION,
    OWNER,
    REQUEST_ID,
    example,
)
from config.lib.ids import encode
from config.lib.peppers import Pepper

FORM = "application/x-www-form-urlencoded"
# No installation has this pepper, so none accepts a secret or token from an example.
_PEPPER = Pepper(1, b"the pepper of examples in the docs")
SECRET = secret.example("sk", "live", _PEPPER)
_DESCRIPTION = {"openapi": "3.1.0", "info": {"title": "Keyway API", "version": "1"}, "paths": {}}
_LIVE_SECRET = {
    "id": encode("sec", UUID("019b1f74-6ab0-7d15-b3f4-5c8e1a2d7f34")),
    "mask": SECRET.mask,
    "state": "live",
    "created_at": "2026-01-15T10:00:00Z",
    "activated_at": None,
    "expires_at": None,
    "lapses_at": None,
}
_USAGE = {
    "key_id": KEY_ID,
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
            "id": _LIVE_SECRET["id"],
            "mask": SECRET.mask,
            "state": "live",
            "created_at": "2026-01-01T10:00:00Z",
            "activated_at": None,
            "lapses_at": None,
            "retired_at": None,
            "total_requests": 1520,
            "requests_24h": 96,
        }
    ],
    "incomplete": [],
}
KEY: dict[str, Any] = {
    "id": KEY_ID,
    "name": "Production Webhook Server",
    "description": "",
    "held_by": "",
    "kind": "public",
    "environment": "live",
    "organization_id": ORGANIZATION["id"],
    "owner": OWNER,
    "scopes": ["read:audit-activity"],
    "allowed_cidrs": [],
    "status": "active",
    "mask": SECRET.mask,
    "created_at": "2026-01-15T10:00:00Z",
    "expires_at": "2026-04-15T10:00:00Z",
    "last_used_at": None,
    "last_used_ip": None,
    "rotated_at": None,
    "secrets": [_LIVE_SECRET],
    "old_key_expires_at": None,
    "paused_at": None,
    "revoked_at": None,
    "revoke_reason": "",
}
KEY_REQUEST = {
    "id": REQUEST_ID,
    "status": "requested",
    "name": "Production Webhook Server",
    "description": "",
    "held_by": "",
    "kind": "public",
    "environment": "live",
    "organization_id": ORGANIZATION["id"],
    "owner": OWNER,
    "scopes": ["read:audit-activity"],
    "allowed_cidrs": [],
    "expires_at": "2026-04-15T10:00:00Z",
    "requested_by": OWNER,
    "requested_at": "2026-01-15T10:00:00Z",
    "lapses_at": "2026-01-22T10:00:00Z",
    "answered_by": None,
    "answered_at": None,
    "reason": "",
    "collected_at": None,
    "key_id": None,
}
_WHOAMI = {
    "key_id": KEY_ID,
    "application_id": None,
    "name": "Production Webhook Server",
    "kind": "public",
    "environment": "live",
    "organization": ORGANIZATION,
    "owner": OWNER,
    "scopes": ["read:audit-activity"],
    "expires_at": "2026-04-15T10:00:00Z",
    "rotating_out": False,
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
    "access_token": example_token(TokenKind.ACCESS, _PEPPER).reveal(),
    "expires_in": 3600,
    "token_type": "Bearer",
    "scope": "read:audit-activity",
}
_CLIENT = {
    "client_id": APPLICATION_ID,
    "client_secret": example_token(TokenKind.SECRET, _PEPPER).reveal(),
}
_TOKEN = {"token": example_token(TokenKind.ACCESS, _PEPPER).reveal(), **_CLIENT}
_ISSUER = "https://keyway.example"

example("whoami", answer={JSON: _WHOAMI})
example("key_usage", answer={JSON: _USAGE})
example("show_key_request", answer={JSON: KEY_REQUEST})
example("list_key_requests", answer={JSON: {"data": [KEY_REQUEST], "next_cursor": None}})
example("list_keys", answer={JSON: {"data": [KEY], "total": 1, "next_cursor": None}})
example(
    "revoke_key",
    request={JSON: {"reason": "It was in a screenshot."}},
    answer={
        JSON: {
            "id": KEY_ID,
            "revoked_at": "2026-01-16T10:00:00Z",
            "effective_at": "2026-01-16T10:00:00.250000Z",
        }
    },
)
example(
    "schema",
    answer=dict.fromkeys(
        (
            "application/vnd.oai.openapi",
            "application/vnd.oai.openapi+json",
            "application/yaml",
            JSON,
        ),
        _DESCRIPTION,
    ),
)
example(
    "oauth_token",
    request={FORM: {"grant_type": "client_credentials", **_CLIENT}},
    answer={JSON: _TOKENS},
)
example("oauth_revoke", request={FORM: _TOKEN})
example("oauth_introspect", request={FORM: _TOKEN}, answer={JSON: {"active": False}})
example(
    "oauth_metadata",
    answer={
        JSON: {
            "issuer": _ISSUER,
            "authorization_endpoint": f"{_ISSUER}/oauth/authorize",
            "token_endpoint": f"{_ISSUER}/oauth/token",
            "response_types_supported": ["code"],
        }
    },
)
example("alive", answer={"text/plain": f"alive {__version__}\n"})
example("ready", answer={"text/plain": "ready\n"})
_COUNT = 'keyway_requests_total{method="GET",route="/api/v1/verify",status="204"} 7.0\n'
example("metrics", answer={"text/plain": _COUNT})
