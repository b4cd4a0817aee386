"""What no view of Django REST framework answers, described by hand: OAuth's endpoints, verify, and operators' addresses."""

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
# What OAuth takes (RFC 6749, appendix A).
_PLAIN: Schema = {"type": "string", "pattern": "^[ -~]*$", "maxLength": 2048}
_ADDRESS: Schema = {"type": "string", "format": "uri"}
# A parameter without a value is as one that is not there (RFC 6749, 3.1), so what is required has one.
_GIVEN: Schema = _PLAIN | {"minLength": 1}
_GRANTS = {
    "authorization_code": ["code"],
    "client_credentials": [],
    "refresh_token": ["refresh_token"],
}

SECURITY_SCHEMES: dict[str, Schema] = {
    "Client": {
        "type": "http",
        "scheme": "basic",
        "description": "An application's id and secret. Or as `client_id` and `client_secret` in the body.",
    },
    "Metrics": {
        "type": "http",
        "scheme": "bearer",
        "description": "`KEYWAY_METRICS_TOKEN`, where it is set.",
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
            "refresh_token": {**_TEXT, "description": "Not for client credentials."},
            "expires_in": {"type": "integer"},
            "token_type": {"enum": ["Bearer"]},
            "scope": _TEXT,
        },
    },
    "Introspection": {
        "type": "object",
        "description": "RFC 7662. Of a token that is not good, or not of the application's organization, only `active`.",
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
        "/healthz": {"get": _health("alive", "Whether this process answers")},
        "/readyz": {"get": _health("ready", "Whether this process can do its work")},
        "/metrics": {"get": _metrics()},
    }


def _answer(description: str, kind: str, schema: Schema) -> Schema:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _of(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _verify() -> Schema:
    asked: dict[str, tuple[str, Schema]] = {
        "scope": ("A scope that the key must have.", {"enum": sorted(registry())}),
        "environment": ("What the key must be for.", {"enum": list(Environment.values)}),
        "organization": (
            "`org_…` or slug of the organization that the key must belong to.",
            _TEXT | {"minLength": 1},
        ),
    }
    told = ("Organization", "Key", "Application", "Kind", "Environment", "Scopes", "Owner")
    parameters = [
        {"in": "query", "name": name, "description": words, "schema": schema}
        for name, (words, schema) in asked.items()
    ]
    return {
        "operationId": "verify",
        "summary": "Whether a key is good, for other services and reverse proxies",
        "tags": ["Credential"],
        "security": [{"ApiKey": []}, {"OAuth": []}],
        "parameters": parameters,
        "responses": {
            "204": {
                "description": "Yes; and who, in the headers.",
                "headers": {f"X-Keyway-{name}": _HEADER for name in told},
            },
            **_invalid_parameter(),
        },
    }


def _invalid_parameter() -> Schema:
    own = {"type": "object", "properties": {"code": {"enum": ["invalid_parameter"]}}}
    return {"400": _answer("", "application/problem+json", {"allOf": [_of("Problem"), own]})}


def _schema() -> Schema:
    return {
        "operationId": "schema",
        "summary": "This description",
        "description": "OpenAPI 3.1, as YAML or as JSON.",
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
    name: str, summary: str, form: Schema, required: list[str], told: Schema, *, public: bool = True
) -> Schema:
    """One of OAuth's. `public`: an application without a secret may call it with its `client_id` alone."""
    client = {"client_id": _PLAIN, "client_secret": _PLAIN}
    form = {"type": "object", "properties": form | client, "required": required}
    refused = (
        ("400", "The request is not good."),
        ("401", "The application is unknown, or did not prove itself."),
    )
    later = (
        ("429", "Too many refused attempts; see `Retry-After`."),
        ("503", "The cause is ours; try again."),
    )
    return {
        "operationId": f"oauth_{name}",
        "summary": summary,
        "tags": ["OAuth"],
        "security": [{"Client": []}, {}] if public else [{"Client": []}],
        "requestBody": {"required": True, "content": {FORM: {"schema": form}}},
        "responses": {
            "200": told,
            **{code: _answer(words, JSON, _of("OAuthError")) for code, words in (*refused, *later)},
        },
    }


def _token() -> Schema:
    form: Schema = {
        "grant_type": {"enum": list(_GRANTS)},
        **dict.fromkeys(("code", "refresh_token"), _GIVEN),
    }
    form |= dict.fromkeys(("redirect_uri", "code_verifier", "scope"), _PLAIN)
    told = _answer("Tokens.", JSON, _of("OAuthTokens"))
    described = _endpoint(
        "token",
        "Exchange a code, a refresh token or the application's secret for tokens",
        form,
        ["grant_type"],
        told,
    )
    described["requestBody"]["content"][FORM]["schema"]["oneOf"] = [
        {"properties": {"grant_type": {"const": grant}}, "required": required}
        for grant, required in _GRANTS.items()
    ]
    return described


def _revoke() -> Schema:
    form: Schema = {"token": _GIVEN, "token_type_hint": _PLAIN}
    told = {"description": "The token is good for nothing any more, whatever it was."}
    return _endpoint("revoke", "Give a token back (RFC 7009)", form, ["token"], told)


def _introspect() -> Schema:
    form: Schema = {"token": _GIVEN, "token_type_hint": _PLAIN}
    told = _answer("What the token is.", JSON, _of("Introspection"))
    return _endpoint(
        "introspect", "Ask what an access token is (RFC 7662)", form, ["token"], told, public=False
    )


def _metadata() -> Schema:
    return {
        "operationId": "oauth_metadata",
        "summary": "Where OAuth's endpoints are and what they take (RFC 8414)",
        "tags": ["OAuth"],
        "security": [{}],
        "responses": {
            "200": _answer("The authorization server's metadata.", JSON, _of("OAuthMetadata"))
        },
    }


def _health(word: str, summary: str) -> Schema:
    return {
        "operationId": word,
        "summary": summary,
        "tags": ["Operators"],
        "security": [{}],
        "responses": {
            "200": _answer(f"`{word}`", PLAIN, _TEXT),
            "503": _answer("Not now; and what is missing.", PLAIN, _TEXT),
        },
    }


def _metrics() -> Schema:
    return {
        "operationId": "metrics",
        "summary": "What Prometheus collects",
        "tags": ["Operators"],
        "security": [{"Metrics": []}],
        "responses": {
            "200": _answer("Counts, in Prometheus' text format.", PLAIN, _TEXT),
            "401": _answer("Not the token.", PLAIN, _TEXT),
            "404": _answer("No token is configured.", PLAIN, _TEXT),
        },
    }
