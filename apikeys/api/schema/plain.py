"""Descriptions of endpoints outside Django REST framework: OAuth, verify, health and metrics."""

from typing import Any

from apikeys.api.bodies import Revocation
from apikeys.scopes import registry
from config.lib.bodies import JSON
from config.lib.environment import Environment
from config.lib.openapi import schema_of

Schema = dict[str, Any]

FORM = "application/x-www-form-urlencoded"
PLAIN = "text/plain"
_TEXT: Schema = {"type": "string"}
_HEADER: Schema = {"schema": _TEXT}
# The characters that OAuth allows (RFC 6749, appendix A).
_PLAIN: Schema = {"type": "string", "pattern": "^[ -~]*$", "maxLength": 2048}
_ADDRESS: Schema = {"type": "string", "format": "uri"}
# An empty parameter counts as absent (RFC 6749, 3.1), so a required one has a value.
_REQUIRED: Schema = _PLAIN | {"minLength": 1}
_GRANTS = {
    "authorization_code": ["code"],
    "client_credentials": [],
    "refresh_token": ["refresh_token"],
}

SECURITY_SCHEMES: dict[str, Schema] = {
    "Client": {
        "type": "http",
        "scheme": "basic",
        "description": (
            "An application's id and secret. "
            "They can also be `client_id` and `client_secret` in the body."
        ),
    },
    "Metrics": {
        "type": "http",
        "scheme": "bearer",
        "description": "The value of `KEYWAY_METRICS_TOKEN`.",
    },
}
SCHEMAS: dict[str, Schema] = {
    "OAuthError": {
        "type": "object",
        "description": "RFC 6749, 5.2.",
        "required": ["error"],
        "properties": {"error": _TEXT, "error_description": _TEXT},
    },
    "OAuthTokens": {
        "type": "object",
        "required": ["access_token", "expires_in", "token_type", "scope"],
        "properties": {
            "access_token": _TEXT,
            "refresh_token": {**_TEXT, "description": "Absent for client credentials."},
            "expires_in": {"type": "integer"},
            "token_type": {"enum": ["Bearer"]},
            "scope": _TEXT,
        },
    },
    "Introspection": {
        "type": "object",
        "description": (
            "RFC 7662. Contains only `active` if the token is invalid or belongs to another "
            "organization than the application."
        ),
        "required": ["active"],
        "properties": {
            "active": {"type": "boolean"},
            **dict.fromkeys(
                ("iss", "client_id", "sub", "scope", "token_type", "organization_id", "username"),
                _TEXT,
            ),
            "environment": {"enum": list(Environment.values)},
            "iat": {"type": "integer"},
            "exp": {"type": "integer"},
        },
    },
    "OAuthMetadata": {
        "type": "object",
        "description": "RFC 8414.",
        "required": [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "response_types_supported",
        ],
        "properties": {
            **dict.fromkeys(("issuer", "authorization_endpoint", "token_endpoint"), _ADDRESS),
            **dict.fromkeys(("revocation_endpoint", "introspection_endpoint"), _ADDRESS),
            "scopes_supported": {"type": "array", "items": _TEXT},
            "response_types_supported": {"type": "array", "items": _TEXT},
        },
    },
}
REVOCATION: Schema = {"content": {JSON: {"schema": schema_of(Revocation)}}}


def paths() -> dict[str, Schema]:
    return {
        "/api/v1/schema": {"get": _schema()},
        "/api/v1/verify": {"get": _verify()},
        "/oauth/token": {"post": _token()},
        "/oauth/revoke": {"post": _revoke()},
        "/oauth/introspect": {"post": _introspect()},
        "/.well-known/oauth-authorization-server": {"get": _metadata()},
        "/healthz": {"get": _health("alive", "Check that this process responds")},
        "/readyz": {"get": _health("ready", "Check that this process can serve requests")},
        "/metrics": {"get": _metrics()},
    }


def _response(description: str, kind: str, schema: Schema) -> Schema:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _of(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _verify() -> Schema:
    query: dict[str, tuple[str, Schema]] = {
        "scope": ("A scope that the key must have.", {"enum": sorted(registry())}),
        "environment": (
            "The environment that the key must belong to.",
            {"enum": list(Environment.values)},
        ),
        "organization": (
            "`org_…` or slug of the organization that the key must belong to.",
            _TEXT | {"minLength": 1},
        ),
    }
    headers = ("Organization", "Key", "Application", "Kind", "Environment", "Scopes", "Owner")
    parameters = [
        {"in": "query", "name": name, "description": words, "schema": schema}
        for name, (words, schema) in query.items()
    ]
    return {
        "operationId": "verify",
        "summary": "Verify a key or token, for other services and reverse proxies",
        "tags": ["Credential"],
        "security": [{"ApiKey": []}, {"OAuth": []}, {"UserToken": []}],
        "parameters": parameters,
        "responses": {
            "204": {
                "description": "The key or token is valid. The headers say whose it is.",
                "headers": {f"X-Keyway-{name}": _HEADER for name in headers},
            },
            **_invalid_parameter(),
        },
    }


def _invalid_parameter() -> Schema:
    own = {"type": "object", "properties": {"code": {"enum": ["invalid_parameter"]}}}
    return {"400": _response("", "application/problem+json", {"allOf": [_of("Problem"), own]})}


def _schema() -> Schema:
    return {
        "operationId": "schema",
        "summary": "Get the OpenAPI description",
        "description": "OpenAPI 3.1 as YAML or JSON.",
        "tags": ["Description"],
        "security": [{}],
        "responses": {
            "200": {
                "description": "OpenAPI 3.1.",
                "content": {
                    kind: {"schema": {"type": "object"}}
                    for kind in (
                        "application/vnd.oai.openapi",
                        "application/vnd.oai.openapi+json",
                        "application/yaml",
                        JSON,
                    )
                },
            }
        },
    }


def _endpoint(
    name: str,
    summary: str,
    form: Schema,
    required: list[str],
    response: Schema,
    *,
    public: bool = True,
) -> Schema:
    """Describe an OAuth endpoint. A `public` one accepts a `client_id` without a secret."""
    client = {"client_id": _PLAIN, "client_secret": _PLAIN}
    form = {"type": "object", "properties": form | client, "required": required}
    refused = (
        ("400", "The request is invalid."),
        ("401", "The application is unknown, or its secret is wrong."),
    )
    later = (
        ("429", "Too many failed attempts. Try again after `Retry-After` seconds."),
        ("503", "Keyway is temporarily unavailable. Try again shortly."),
    )
    return {
        "operationId": f"oauth_{name}",
        "summary": summary,
        "tags": ["OAuth"],
        "security": [{"Client": []}, {}] if public else [{"Client": []}],
        "requestBody": {"required": True, "content": {FORM: {"schema": form}}},
        "responses": {
            "200": response,
            **{
                code: _response(words, JSON, _of("OAuthError"))
                for code, words in (*refused, *later)
            },
        },
    }


def _token() -> Schema:
    form: Schema = {
        "grant_type": {"enum": list(_GRANTS)},
        **dict.fromkeys(("code", "refresh_token"), _REQUIRED),
    }
    form |= dict.fromkeys(("redirect_uri", "code_verifier", "scope"), _PLAIN)
    response = _response("The new tokens.", JSON, _of("OAuthTokens"))
    described = _endpoint(
        "token",
        "Exchange a code, a refresh token or a client secret for tokens",
        form,
        ["grant_type"],
        response,
    )
    described["requestBody"]["content"][FORM]["schema"]["oneOf"] = [
        {"properties": {"grant_type": {"const": grant}}, "required": required}
        for grant, required in _GRANTS.items()
    ]
    return described


def _revoke() -> Schema:
    form: Schema = {"token": _REQUIRED, "token_type_hint": _PLAIN}
    response = {"description": "The token no longer works, or was not valid."}
    return _endpoint("revoke", "Revoke a token (RFC 7009)", form, ["token"], response)


def _introspect() -> Schema:
    form: Schema = {"token": _REQUIRED, "token_type_hint": _PLAIN}
    response = _response("The state of the token.", JSON, _of("Introspection"))
    summary = "Introspect an access token (RFC 7662)"
    return _endpoint("introspect", summary, form, ["token"], response, public=False)


def _metadata() -> Schema:
    return {
        "operationId": "oauth_metadata",
        "summary": "Get the authorization server's metadata (RFC 8414)",
        "tags": ["OAuth"],
        "security": [{}],
        "responses": {
            "200": _response("The authorization server's metadata.", JSON, _of("OAuthMetadata"))
        },
    }


def _health(word: str, summary: str) -> Schema:
    return {
        "operationId": word,
        "summary": summary,
        "tags": ["Operators"],
        "security": [{}],
        "responses": {
            "200": _response(f"`{word}`", PLAIN, _TEXT),
            "503": _response("Not now. The body lists what is missing.", PLAIN, _TEXT),
        },
    }


def _metrics() -> Schema:
    return {
        "operationId": "metrics",
        "summary": "Get metrics for Prometheus",
        "tags": ["Operators"],
        "security": [{"Metrics": []}],
        "responses": {
            "200": _response("Metrics in Prometheus's text format.", PLAIN, _TEXT),
            "401": _response("The token is missing or wrong.", PLAIN, _TEXT),
            "404": _response("`KEYWAY_METRICS_TOKEN` is not set.", PLAIN, _TEXT),
        },
    }
