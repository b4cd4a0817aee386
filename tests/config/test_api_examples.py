"""Every example request works, and every example response has the shape of the real one."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from apikeys import conf
from apikeys.api.schema.examples import SECRET
from apikeys.oauth.token_format import TokenKind, digest
from apikeys.services import Issued
from apikeys.verify import secret
from config.lib.examples import EXAMPLES
from config.lib.ids import decode
from tenants.models import User
from tests.apikeys.oauth.flow import Program, service_of
from tests.audit.events import event
from tests.conftest import IssueKey, api, client_of

pytestmark = pytest.mark.django_db
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
Described = dict[str, Any]
ID = re.compile(r"\b(key|req|org|usr|app|evt|mem|agt|fam|tok)_[0-9a-z]{20,}\b")
FORMS = (
    ("secret", re.compile(r"[as]k_live_[0-9A-Za-z]{32}")),
    ("mask", re.compile(r"[as]k_live_[0-9A-Za-z]{4}…[0-9A-Za-z]{4}")),
    ("token", re.compile(r"(?:oat|ort|oac|ocs)_[0-9A-Za-z]{49}")),
    ("uuid", re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")),
    ("signed", re.compile(r"eyJ[\w-]+(?:\.[\w-]+\.[\w-]+|…)")),
)


@pytest.fixture
def described() -> dict[str, Described]:
    """Return the operations by id, each with its `method` and `path`."""
    schema = Client().get("/api/v1/schema", headers={"accept": JSON}).json()
    return {
        operation["operationId"]: {"method": method, "path": path, **operation}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def requests(operation: Described) -> list[tuple[str, Any]]:
    """Yield media type and example of each request."""
    content = operation.get("requestBody", {}).get("content", {})
    return [(kind, example) for kind, body in content.items() for example in examples(body)]


def answers(operation: Described, of: str = "2") -> list[Any]:
    """Yield the examples of JSON responses whose status starts with `of`."""
    return [
        example
        for status, response in operation["responses"].items()
        if status.startswith(of)
        for kind, body in response.get("content", {}).items()
        if kind == JSON
        for example in examples(body)
    ]


def examples(body: Described) -> list[Any]:
    return (
        [body["example"]] if "example" in body else [e["value"] for e in body["examples"].values()]
    )


def form(value: Any) -> Any:
    """Return a value's shape: field names, types, and the kinds of text that Keyway generates."""
    if isinstance(value, dict):
        return {name: form(each) for name, each in value.items()}
    if isinstance(value, list):
        return [form(value[0])] if value else []
    return _kind(value) if isinstance(value, str) else type(value).__name__


def _kind(value: str) -> str:
    if match := ID.fullmatch(value):
        decode(match.group(1), value)
        return match.group(1)
    if found := next((name for name, pattern in FORMS if pattern.fullmatch(value)), ""):
        return found
    try:
        return "time" if datetime.fromisoformat(value) else ""
    except ValueError:
        return "text"


def test_ids_in_examples_come_from_the_real_encoder(described: dict[str, Described]) -> None:
    ids = list(ID.finditer(json.dumps(list(described.values()))))
    assert len(ids) > 20
    for match in ids:
        decode(match.group(1), match.group())
    stored = EXAMPLES["list_audit_activity"].answer[JSON]["data"][0]
    assert str(decode("evt", stored["id"])) == stored["event_id"]


def test_example_secrets_are_well_formed_and_valid_nowhere() -> None:
    assert secret.parse(SECRET.reveal()) == SECRET
    assert secret.check_tag(SECRET, conf.peppers()) is None
    body = EXAMPLES["oauth_introspect"].request[FORM]
    for text, use in ((body["token"], TokenKind.ACCESS), (body["client_secret"], TokenKind.SECRET)):
        assert form(text) == "token"
        assert digest(text, use, conf.peppers()) is None


@pytest.fixture
def script(issue_public_key: IssueKey, alice: User) -> Issued:
    return issue_public_key(
        owner=alice, scopes=("manage:api-keys", "read:audit-activity"), name="Manager"
    )


def test_examples_of_key_calls_work(
    described: dict[str, Described], script: Issued, issue_public_key: IssueKey, alice: User
) -> None:
    other = issue_public_key(owner=alice, name="Other")
    path = f"/api/v1/api-keys/{other.key.public_id}"
    for operation in ("create_key", "show_key", "edit_key", "rotate_key", "revoke_key"):
        method, body = described[operation]["method"], dict(requests(described[operation]))
        address = "/api/v1/api-keys" if operation == "create_key" else path
        address += "/rotate" if operation == "rotate_key" else ""
        answer = getattr(api(script), method)(address, body.get(JSON), format="json")
        assert answer.status_code in (200, 201), (operation, answer.content)
        for example in answers(described[operation], str(answer.status_code)):
            assert set(answer.json()) == set(example), operation
            assert same_form(answer.json(), example), operation


def same_form(answer: Any, example: Any) -> bool:
    """Return whether the shapes agree. A field may be empty or null in one of them."""
    if isinstance(answer, dict):
        return set(answer) == set(example) and all(
            same_form(answer[name], example[name]) for name in answer
        )
    if answer in (None, "", []) or example in (None, "", []):
        return True
    if isinstance(answer, list):
        return same_form(answer[0], example[0])
    return bool(form(answer) == form(example))


def test_examples_of_agent_calls_work(described: dict[str, Described], agent_key: Issued) -> None:
    for name in ("send_heartbeat", "send_events", "get_agent_configuration"):
        operation = described[name]
        for kind, body in requests(operation) or [("", "")]:
            text = body if isinstance(body, str) else json.dumps(body)
            answer = api(agent_key).generic(
                operation["method"].upper(), operation["path"], text, kind or JSON
            )
            assert answer.status_code == 200, (name, answer.content)
            assert all(same_form(answer.json(), example) for example in answers(operation)), name


def test_examples_of_read_calls_match_real_responses(
    described: dict[str, Described], script: Issued, agent_key: Issued, alice: User
) -> None:
    api(agent_key).post("/api/v1/agent/events", [event()], format="json")
    browser = client_of(alice)
    reads: dict[str, Callable[[], Any]] = {
        "whoami": lambda: api(script).get("/api/v1/whoami"),
        "list_audit_activity": lambda: api(script).get("/api/v1/public/audit-activity"),
        "list_keys": lambda: browser.get("/api/v1/api-keys"),
        "key_usage": lambda: browser.get(f"/api/v1/api-keys/{script.key.public_id}/usage"),
        "jwks": lambda: Client().get("/.well-known/jwks.json"),
        "oauth_metadata": lambda: Client().get("/.well-known/oauth-authorization-server"),
    }
    for name, read in reads.items():
        answer = read()
        assert answer.status_code == 200, (name, answer.content)
        (example,) = answers(described[name])
        got = {field: answer.json()[field] for field in example}
        assert same_form(got, example), (name, got, example)


def test_examples_of_sign_in_calls_work(described: dict[str, Described], alice: User) -> None:
    from tests.conftest import PASSWORD  # noqa: PLC0415

    ((_, login),) = requests(described["login"])
    assert set(login) == {"email", "password"}
    pair = api().post(
        "/api/v1/auth/login", {"email": alice.email, "password": PASSWORD}, format="json"
    )
    assert all(same_form(pair.json(), example) for example in answers(described["login"]))
    me = api(HTTP_AUTHORIZATION=f"Bearer {pair.json()['access_token']}").get("/api/v1/auth/me")
    assert all(same_form(me.json(), example) for example in answers(described["me"]))
    for name in ("refresh_tokens", "logout"):
        ((_, body),) = requests(described[name])
        assert form(body) == {"refresh_token": "signed"}
        answer = api().post(described[name]["path"], body, format="json")
        assert answer.json()["code"] == "invalid_token", name


@pytest.fixture
def program(acme: Any, alice: User) -> Program:
    return service_of(acme, alice, "read:audit-activity")


def test_examples_of_oauth_calls_work(described: dict[str, Described], program: Program) -> None:
    for name in ("oauth_token", "oauth_introspect", "oauth_revoke"):
        ((_, example),) = requests(described[name])
        assert form({k: example[k] for k in program.credentials}) == form(program.credentials)
        answer = Client().post(
            described[name]["path"], urlencode(example | program.credentials), content_type=FORM
        )
        assert answer.status_code == 200, (name, answer.content)
        if answer.content:
            assert all(same_form(answer.json(), each) for each in answers(described[name]))
