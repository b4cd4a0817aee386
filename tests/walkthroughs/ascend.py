"""The requests of ASCEND's guide, "API Reference", as written, and the fields of its answers."""

GENERATE = """POST /api/keys/generate
Authorization: Bearer <session_token>
Content-Type: application/json

{
"name": "Production Backend",
"description": "Main production service API access",
"expires_in_days": 90
}
"""
GENERATED = {"api_key", "key_id", "name", "description", "expires_at", "message"}
LIST = """GET /api/keys/list
Authorization: Bearer <session_token>
"""
LISTED = {
    "id",
    "name",
    "key_prefix",
    "description",
    "created_at",
    "expires_at",
    "last_used_at",
    "status",
    "total_requests",
}
USAGE = """GET /api/keys/{key_id}/usage
Authorization: Bearer <session_token>
"""
USED = {"key_id", "key_name", "usage", "last_used", "top_endpoints", "daily_usage"}
FIGURES = {
    "total_requests",
    "requests_24h",
    "requests_7d",
    "requests_30d",
    "error_count",
    "error_rate",
}
REVOKE = """DELETE /api/keys/{key_id}/revoke
Authorization: Bearer <session_token>
"""
REVOKED = {"success", "message", "key_id", "revoked_at"}
