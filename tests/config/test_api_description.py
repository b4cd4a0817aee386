"""The OpenAPI document is complete and correct.

It has every path and method, each with its credentials, examples and errors.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.test import Client
from drf_spectacular.validation import validate_schema

from apikeys.verify.denials import Reason
from config.lib.problems import CONTENT_TYPE, PROBLEMS
from config.wsgi import BEFORE_DJANGO
from tests.access_table import API, rows_of
from tests.routes import routes

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
# OAuth's own errors (RFC 6749), in `error`, and those of single events in a batch, in the `code` of
# a rejected event.
ELSEWHERE = {"temporarily_unavailable", "invalid_request", "invalid_client", "invalid_grant"}


@pytest.fixture
def schema() -> dict[str, Any]:
    described: dict[str, Any] = (
        Client().get("/api/v1/schema", headers={"accept": "application/json"}).json()
    )
    return described


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for address, path in schema["paths"].items():
        for method, operation in path.items():
            yield f"{method.upper()} {address}", operation


def test_the_document_is_valid_openapi_31(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    validate_schema(schema)  # type: ignore[no-untyped-call]
    for each in schema["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(each)


def test_every_call_that_exists_is_described_and_no_other(schema: dict[str, Any]) -> None:
    """Another test compares the access table with the server, so this compares both."""
    exist = {
        re.sub(r"{script}|{agent}", "{key_id}", f"{method} {address}")
        for method, address in rows_of(API)
    }
    assert {name for name, _ in operations(schema)} == exist


def test_schema_covers_every_api_url(schema: dict[str, Any]) -> None:
    for_programs = {
        route
        for route in routes()
        if re.match(r"/api/|/v1/|/\.well-known/|/oauth/(?!authorize)", route)
    }
    assert set(schema["paths"]) == for_programs | set(BEFORE_DJANGO)


def test_every_call_has_its_credentials(schema: dict[str, Any]) -> None:
    schemes = schema["components"]["securitySchemes"]
    assert schemes.keys() == {"ApiKey", "UserToken", "OAuth", "Session", "Client", "Metrics"}
    assert schemes["OAuth"]["flows"].keys() == {"authorizationCode", "clientCredentials"}
    for name, operation in operations(schema):
        assert operation["security"], name
        assert {scheme for each in operation["security"] for scheme in each} <= schemes.keys(), name


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for status, response in operation["responses"].items():
        if status.startswith("2") or CONTENT_TYPE in response.get("content", {}):
            yield from response.get("content", {}).values()


def test_every_body_has_an_example_that_matches_its_schema(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        for content in contents(operation):
            examples = (
                [content["example"]]
                if "example" in content
                else [each["value"] for each in content["examples"].values()]
            )
            assert examples, name
            judge = jsonschema.Draft202012Validator(
                content["schema"] | {"components": schema["components"]}
            )
            assert [
                error.message for each in examples for error in judge.iter_errors(each)
            ] == [], name


def test_every_call_with_credentials_lists_their_error_codes(
    schema: dict[str, Any],
) -> None:
    for name, operation in operations(schema):
        if {"ApiKey"} in [each.keys() for each in operation["security"]]:
            codes = operation["responses"]["401"]["content"][CONTENT_TYPE]["schema"]["allOf"][1][
                "properties"
            ]["code"]["enum"]
            assert {"missing_key", "invalid_key", "revoked_key"} <= set(codes), name
            assert {"403", "429", "503"} <= operation["responses"].keys(), name


def test_errors_match_in_code_document_and_page(
    schema: dict[str, Any],
) -> None:
    page = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    assert page == list(PROBLEMS)
    assert set(schema["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == set(
        PROBLEMS
    )


def test_error_table_matches_the_raised_codes() -> None:
    assert set(Reason) <= set(PROBLEMS)
    named, raised = set[str](), set[str]()
    for app in ("apikeys", "audit", "config", "tenants"):
        for path in (ROOT / app).rglob("*.py"):
            tree = ast.parse(path.read_text())
            raised |= set(_problems_made(tree))
            if path.name not in {"problems.py", "schema.py", "keys_schema.py"}:
                named |= {
                    node.value
                    for node in ast.walk(tree)
                    if isinstance(node, ast.Constant) and isinstance(node.value, str)
                }
    assert raised - ELSEWHERE <= set(PROBLEMS)
    from_handler = {
        "bad_request",
        "forbidden",
        "not_found",
        "method_not_allowed",
        "not_acceptable",
        "unsupported_media_type",
    }
    assert set(PROBLEMS) <= named | from_handler | {"missing_key", "internal_error", "unavailable"}


def _problems_made(tree: ast.AST) -> Iterator[str]:
    """Return the codes in ``ApiProblem("…")`` and ``problems("…", …)``."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"ApiProblem", "problems"}
        ):
            yield from (
                each.value
                for each in node.args
                if isinstance(each, ast.Constant)
                and isinstance(each.value, str)
                and node.func.id == "problems"
            )
            if (
                node.func.id == "ApiProblem"
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                yield node.args[0].value
