"""Hooks for drf-spectacular, which adds neither credentials nor problems by itself."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension

from apikeys.api.permissions import IsAgentKey
from apikeys.api.schema import examples, plain  # noqa: F401  registers the examples
from apikeys.oauth import scopes as oauth_scopes
from apikeys.scopes import registry
from config.lib.examples import EXAMPLES, Examples
from config.lib.openapi import describe, forbid_nul
from config.lib.problems import CONTENT_TYPE, PROBLEMS
from tenants.sign_in.authentication import UserTokenAuthentication

Schema = dict[str, Any]

_OF_ANY = ("bad_request", "unavailable")
_OF_CREDENTIALS = ("several_credentials", "organization_suspended", "rate_limited")
_OF_KEYS = (
    "missing_key",
    "key_in_bearer",
    "invalid_key",
    "rotated_key",
    "expired_key",
    "revoked_key",
    "paused_key",
    "owner_inactive",
    "wrong_key_type",
    "wrong_organization",
    "organization_required",
    "wrong_environment",
    "insufficient_scope",
    "ip_not_allowed",
    "forbidden",
)
_OF_TOKENS = ("invalid_token", "expired_token")
_OPTIONAL_BODY = ("logout", "rotate_key", "revoke_key")
# Keys and tokens share one authentication class, so a call that accepts only keys still reports an
# invalid token.
_OF_KEYS_AND_TOKENS = (*_OF_KEYS, *_OF_TOKENS)
_BY_SCHEME = {
    "ApiKey": _OF_KEYS_AND_TOKENS,
    "OAuth": _OF_KEYS_AND_TOKENS,
    "UserToken": _OF_TOKENS,
    "Session": ("csrf_failed",),
}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself when defined
    """Describe keys, applications' tokens and user tokens. Agents' calls accept agent keys only."""

    target_class = "apikeys.api.authentication.ApiKeyAuthentication"
    name = ["ApiKey", "OAuth"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        permissions = auto_schema.view.permission_classes
        if IsAgentKey in permissions:
            return [{"ApiKey": []}]
        scopes = [permission.scope for permission in permissions if hasattr(permission, "scope")]
        accepted: list[dict[str, list[str]]] = [{"ApiKey": []}, {"OAuth": scopes}]
        # A view with an authentication class for user tokens lists them by that.
        if UserTokenAuthentication in auto_schema.view.authentication_classes:
            return accepted
        return [*accepted, {"UserToken": []}]

    def get_security_definition(self, auto_schema: Any) -> list[Schema]:
        key = {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "An agent key (`ak_…`) or a public key (`sk_…`).",
        }
        return [key, _oauth()]


def _oauth() -> Schema:
    known = registry()
    scopes = {name: known[name].description for name in sorted(oauth_scopes.grantable())}
    token = {"tokenUrl": "/oauth/token", "refreshUrl": "/oauth/token", "scopes": scopes}
    return {
        "type": "oauth2",
        "description": (
            "An application's access token, on behalf of a person (authorization code with PKCE) "
            "or of the application itself (client credentials)."
        ),
        "flows": {
            "authorizationCode": {"authorizationUrl": "/oauth/authorize", **token},
            "clientCredentials": {"tokenUrl": "/oauth/token", "scopes": scopes},
        },
    }


class UserTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself when defined
    target_class = "tenants.sign_in.authentication.UserTokenAuthentication"
    name = "UserToken"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": (
                "A person's access token from `POST /api/v1/auth/login`, valid for one hour. Where "
                "a key is accepted too, the token has the scopes of the person's role in the "
                "organization that `X-Organization-Id` names (or their only one), and reads live "
                "data unless `X-Keyway-Environment` is `test`."
            ),
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself when defined
    target_class = "apikeys.api.authentication.SessionAuthentication"
    name = "Session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": (
                "The session of a signed-in browser. "
                "Changes also require `X-CSRFToken` and a recent sign-in."
            ),
        }


def problem_schema() -> Schema:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "RFC 9457 problem details.",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {**text, "format": "uri-reference"},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "code": {**text, "enum": sorted(PROBLEMS)},
        },
    }


def error_table() -> str:
    """Return the table of problems in Markdown."""
    rows = [
        f"| `{code}` | {problem.status} | {problem.detail} |" for code, problem in PROBLEMS.items()
    ]
    return "\n".join(["| code | status | meaning |", "|---|---|---|", *rows])


def complete(result: Schema, generator: Any, request: Any, public: bool) -> Schema:  # noqa: FBT001  the hook's interface
    """Add endpoints outside DRF, common problems, examples and the table of problems."""
    schemas = result["components"].setdefault("schemas", {})
    schemas |= {"Problem": problem_schema()} | plain.SCHEMAS
    result["components"]["securitySchemes"] |= plain.SECURITY_SCHEMES
    result["info"]["description"] += f"\n\n## Errors\n\n{error_table()}\n"
    # drf-spectacular omits the body of a DELETE.
    result["paths"]["/api/v1/api-keys/{key_id}"]["delete"]["requestBody"] = plain.REVOCATION
    for path in result["paths"].values():
        for operation in path.values():
            _add_problems(operation, ("not_acceptable", *_common_codes(operation)))
            _describe_query(operation)
            if body := operation.get("requestBody"):
                body["required"] = operation["operationId"] not in _OPTIONAL_BODY
    for address, path in plain.paths().items():
        result["paths"][address] = path
    _add_problems(result["paths"]["/api/v1/schema"]["get"], ("not_acceptable",))
    _add_problems(
        result["paths"]["/api/v1/verify"]["get"],
        (*_OF_ANY, *_OF_CREDENTIALS, *_OF_KEYS, *_OF_TOKENS),
    )
    for path in result["paths"].values():
        for operation in path.values():
            _add_examples(operation)
    return result


def _common_codes(operation: Schema) -> set[str]:
    """Return the problems that occur before the view runs, by the operation's credentials."""
    schemes = {name for requirement in operation["security"] for name in requirement}
    codes = {code for scheme in schemes for code in _BY_SCHEME[scheme]}
    return {*_OF_ANY, *codes, *(_OF_CREDENTIALS if schemes else ())}


def _add_problems(operation: Schema, codes: Iterable[str]) -> None:
    """Merge common problems into the operation's own, so that each status lists all its codes."""
    by_status: dict[str, set[str]] = {}
    for code in codes:
        by_status.setdefault(str(PROBLEMS[code].status), set()).add(code)
    for status, found in by_status.items():
        existing = operation["responses"].get(status, {}).get("content", {}).get(CONTENT_TYPE)
        own = existing["schema"]["allOf"][1]["properties"] if existing else {}
        members = {name: schema for name, schema in own.items() if name != "code"}
        known = found | set(own.get("code", {}).get("enum", ()))
        schema, words = describe([code for code in PROBLEMS if code in known], members)
        operation["responses"][status] = {
            "description": words,
            "content": {CONTENT_TYPE: {"schema": schema}},
        }


def _describe_query(operation: Schema) -> None:
    """Allow empty query parameters, which count as absent."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            parameter["allowEmptyValue"] = True
            forbid_nul(parameter["schema"])


def _add_examples(operation: Schema) -> None:
    known = EXAMPLES.get(operation["operationId"], Examples({}, {}))
    for kind, example in known.request.items():
        operation["requestBody"]["content"][kind]["example"] = example
    for status, response in operation["responses"].items():
        for kind, content in response.get("content", {}).items():
            if kind == CONTENT_TYPE:
                content["example"] = _problem_example(content["schema"])
            elif status.startswith("2") and kind in known.answer:
                content["example"] = known.answer[kind]


def _problem_example(schema: Schema) -> Schema:
    code = schema["allOf"][1]["properties"]["code"]["enum"][0]
    problem = PROBLEMS[code]
    return {
        "type": f"/docs/errors/#{code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": code,
    }
