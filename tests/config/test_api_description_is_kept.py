"""The server accepts what the OpenAPI document allows and refuses what it forbids."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.test import Client
from django.utils import timezone

from apikeys.services import Issued
from config.lib.ids import encode, uuid7
from config.lib.problems import CONTENT_TYPE
from config.wsgi import BEFORE_DJANGO
from tenants.models import Organization, User
from tests.apikeys.oauth.flow import Program, service_of
from tests.audit.events import event
from tests.conftest import api, client_of

pytestmark = pytest.mark.django_db
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
KEY = {"name": "Script", "scopes": ["read:audit-activity"]}
ALIVE = {"host": "sql-prod-01", "version": "1"}
NUL = "a\0b"
IN_A_YEAR = f"{timezone.now() + timedelta(days=365):%Y-%m-%d}"


@pytest.fixture
def schema() -> dict[str, Any]:
    described: dict[str, Any] = Client().get("/api/v1/schema", headers={"accept": JSON}).json()
    return described


def is_described(
    schema: dict[str, Any], address: str, body: Any, method: str = "post", kind: str = JSON
) -> bool:
    expected = schema["paths"][address][method]["requestBody"]["content"][kind]["schema"]
    validator = jsonschema.Draft202012Validator(expected | {"components": schema["components"]})
    return bool(validator.is_valid(body))


@pytest.mark.parametrize(("changes", "is_good"), [
    ({}, True),
    ({"scopes": []}, False),
    ({"scopes": ["read:audit-activity\0"]}, False),
    ({"name": NUL}, False),
    ({"description": NUL}, False),
    ({"expires_in_days": 90.0}, True),
    ({"expires_in_days": None, "expires_at": None}, True),
    ({"expires_in_days": None, "expires_at": "0001-01-01T00:00:00+23:59"}, False),
    ({"allowed_cidrs": [" 192.0.2.0/255.255.255.0", "2001:DB8::/32"]}, True),
    ({"expires_at": f"{IN_A_YEAR}T00:00:00+23:59"}, True),
    ({"expires_at": f"{IN_A_YEAR}T00:00:00-23:59"}, True),
    ({"allowed_cidrs": ["office"]}, False),
    ({"kind": "agent"}, False),
    ({"kind": "agent", "scopes": []}, True),
])  # fmt: skip
def test_a_new_key_is_accepted_as_described(
    schema: dict[str, Any], alice: User, changes: dict[str, Any], is_good: bool
) -> None:
    body = KEY | changes
    assert is_described(schema, "/api/v1/api-keys", body) is is_good
    response = client_of(alice).post("/api/v1/api-keys", body, content_type=JSON)
    assert (response.status_code == 201) is is_good, response.content


@pytest.mark.parametrize(("call", "body", "is_good"), [
    ("patch", {"name": "Other"}, True),
    ("patch", {"scopes": []}, False),
    ("patch", {"allowed_cidrs": ["office"]}, False),
    ("post /rotate", {"grace": 250.0}, True),
    ("post /rotate", {"grace": 250.5}, False),
    ("delete", {"reason": NUL}, False),
])  # fmt: skip
def test_a_change_to_a_key_is_accepted_as_described(
    schema: dict[str, Any], public_key: Issued, call: str, body: dict[str, Any], is_good: bool
) -> None:
    method, _, path = call.partition(" ")
    assert is_described(schema, f"/api/v1/api-keys/{{key_id}}{path}", body, method) is is_good
    assert public_key.key.owner
    send = getattr(client_of(public_key.key.owner.user), method)
    response = send(f"/api/v1/api-keys/{public_key.key.public_id}{path}", body, content_type=JSON)
    assert (response.status_code == 200) is is_good, response.content


@pytest.mark.parametrize(("call", "body", "is_good"), [
    ("heartbeat", ALIVE | {"queue_depth": 3.0}, True),
    ("heartbeat", ALIVE | {"queue_depth": 3.5}, False),
    ("heartbeat", ALIVE | {"queue_depth": 1e300}, False),
    ("heartbeat", ALIVE | {"host": NUL}, False),
    ("events", [event()], True),
    (
        "events",
        [
            event(event_time="2025-11-21T23:59:00+23:59"),
            event(event_time="1900-01-02T00:00:00-23:59"),
        ],
        True,
    ),
    ("events", [event(statement=NUL)], False),
])  # fmt: skip
def test_agent_calls_are_accepted_as_described(
    schema: dict[str, Any], agent_key: Issued, call: str, body: Any, is_good: bool
) -> None:
    assert is_described(schema, f"/api/v1/agent/{call}", body) is is_good
    response = api(agent_key).generic("POST", f"/api/v1/agent/{call}", json.dumps(body), JSON)
    assert (response.status_code == 200) is is_good, response.content


def test_a_number_is_an_integer_only_if_all_its_digits_are(agent_key: Issued) -> None:
    for digits, is_good in (("3.00", True), (f"3.{'0' * 50}1", False), ("1e400", False)):
        body = f'{{"host": "sql-prod-01", "version": "1", "queue_depth": {digits}}}'
        assert (
            api(agent_key).generic("POST", "/api/v1/agent/heartbeat", body, JSON).status_code == 200
        ) is is_good


@pytest.fixture
def program(acme: Organization, alice: User) -> Program:
    return service_of(acme, alice, "read:audit-activity")


@pytest.mark.parametrize(("path", "form", "error"), [
    ("/oauth/token", {"grant_type": "client_credentials"}, None),
    ("/oauth/token", {"grant_type": "refresh_token"}, "invalid_request"),
    ("/oauth/token", {"grant_type": "refresh_token", "refresh_token": ""}, "invalid_request"),
    ("/oauth/token", {"grant_type": "authorization_code"}, "invalid_request"),
    ("/oauth/token", {"grant_type": "password"}, "unsupported_grant_type"),
    ("/oauth/revoke", {"token": "t"}, None),
    ("/oauth/revoke", {"token": ""}, "invalid_request"),
    ("/oauth/introspect", {"token": "t"}, None),
    ("/oauth/introspect", {"token": ""}, "invalid_request"),
])  # fmt: skip
def test_an_oauth_form_is_accepted_as_described(
    schema: dict[str, Any], program: Program, path: str, form: dict[str, str], error: str | None
) -> None:
    assert is_described(schema, path, form, kind=FORM) is (error is None)
    response = Client().post(path, urlencode(program.credentials | form), content_type=FORM)
    assert (json.loads(response.content or b"{}").get("error"), response.status_code) == (
        error,
        400 if error else 200,
    )


@pytest.mark.parametrize("path", ["/api/v1/api-keys", "/api/v1/public/audit-activity"])
def test_an_empty_filter_is_ignored_and_u0000_is_invalid(
    schema: dict[str, Any], managing_key: Issued, path: str
) -> None:
    described = [
        each for each in schema["paths"][path]["get"]["parameters"] if each["in"] == "query"
    ]
    for parameter in described:
        assert parameter["allowEmptyValue"] is True
        assert api(managing_key).get(path, {parameter["name"]: ""}).status_code == 200
        if "format" not in parameter["schema"]:
            assert not jsonschema.Draft202012Validator(parameter["schema"]).is_valid(NUL)
        assert api(managing_key).get(path, {parameter["name"]: NUL}).status_code == 400


@pytest.fixture
def managing_key(issue_public_key: Any, alice: User) -> Issued:
    issued: Issued = issue_public_key(
        owner=alice, scopes=("manage:api-keys", "read:audit-activity")
    )
    return issued


def test_a_token_in_a_call_for_keys_gets_a_described_code(
    schema: dict[str, Any], acme: Any
) -> None:
    for path in ("config", "heartbeat", "events"):
        method = "get" if path == "config" else "post"
        address = f"/api/v1/agent/{path}"
        response = getattr(api(HTTP_AUTHORIZATION="Bearer nobodys"), method)(address)
        content = schema["paths"][address][method]["responses"]["401"]["content"][CONTENT_TYPE]
        assert response.json()["code"] == "invalid_token"
        assert {"invalid_token", "expired_token"} <= set(
            content["schema"]["allOf"][1]["properties"]["code"]["enum"]
        )


def test_an_unavailable_format_is_refused_as_described(
    schema: dict[str, Any], managing_key: Issued
) -> None:
    client: Any = api(managing_key)  # the stubs do not know that a body may be bytes
    for path in schema["paths"].keys() - BEFORE_DJANGO.keys():
        for method, operation in schema["paths"][path].items():
            address = path.format(
                key_id=managing_key.key.public_id,
                organization_id=managing_key.key.organization.public_id,
                request_id=encode("req", uuid7()),
            )
            response = client.generic(
                method.upper(), address, b"{}", JSON, headers={"accept": "image/png"}
            )
            described = operation["responses"][str(response.status_code)].get("content", {})
            assert not described or response["Content-Type"].partition(";")[0] in described, path
