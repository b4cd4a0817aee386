"""What drf-spectacular cannot know by itself: how a key is presented, and the problems every call can answer with."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from apikeys.problems import CONTENT_TYPE, PROBLEMS

COMMON = ("400", "401", "403", "503")
_WORDS = {
    "400": "The request cannot be understood.",
    "401": "No key, or one that is not good: the `code` says why.",
    "403": "A good key that may not do this.",
    "503": "The cause is ours; try again after `Retry-After` seconds.",
}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself by being defined
    target_class = "apikeys.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "An agent key (`ak_…`) or a public key (`sk_…`).",
        }


class UserTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself by being defined
    target_class = "tenants.authentication.UserTokenAuthentication"
    name = "UserToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token from `POST /api/v1/auth/login`: a person, for one hour.",
        }


def problem_schema() -> dict[str, Any]:
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
    """The table of errors in Markdown."""
    rows = [f"| `{code}` | {problem.status} | {problem.detail} |" for code, problem in PROBLEMS.items()]
    return "\n".join(["| code | status | meaning |", "|---|---|---|", *rows])


def verify_operation() -> dict[str, Any]:
    """`GET /api/v1/verify`, which no view answers and spectacular therefore cannot see."""
    text = {"schema": {"type": "string"}}
    asked = {
        "scope": "A scope that the key must have.",
        "environment": "`live` or `test`.",
        "organization": "`org_…` or slug of the organization that the key must belong to.",
    }
    told = ("Organization", "Key", "Application", "Kind", "Environment", "Scopes", "Owner")
    return {
        "operationId": "verify",
        "summary": "Whether a key is good, for other services and reverse proxies",
        "tags": ["Credential"],
        "security": [{"ApiKey": []}],
        "parameters": [{"in": "query", "name": name, "description": words, **text} for name, words in asked.items()],
        "responses": {
            "204": {"description": "Yes; and who, in the headers.", "headers": {f"X-Keyway-{name}": text for name in told}}
        },
    }


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: FBT001  the hook's interface
    """Spectacular's hook: add what is no view, the common problems of every operation, and the table of all problems."""
    result["components"].setdefault("schemas", {})["Problem"] = problem_schema()
    result["paths"]["/api/v1/verify"] = {"get": verify_operation()}
    result["info"]["description"] += f"\n\n## Errors\n\n{error_table()}\n"
    body = {"content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for path in result["paths"].values():
        for operation in path.values():
            for status in COMMON:
                operation["responses"].setdefault(status, {"description": _WORDS[status], **body})
    return result
