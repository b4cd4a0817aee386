"""`POST /api/v1/agent/heartbeat` and `GET /api/v1/agent/config`."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apikeys.services import Issued
from audit.models import TrailEntry
from tenants import services as tenants
from tenants.agents import services as agents
from tenants.models import Agent, Health, Organization, User
from tests.conftest import SYSTEM, api

pytestmark = pytest.mark.django_db

HEARTBEAT, CONFIGURATION = "/api/v1/agent/heartbeat", "/api/v1/agent/config"
ALIVE = {"host": "sql-prod-01", "version": "1.2.3", "configuration_version": 1, "queue_depth": 17}


def beat(
    issued: Issued,
    body: bytes | dict[str, Any],
    content_type: str = "application/json",
    **headers: Any,
) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    client: Any = api(issued)  # the stubs do not know that a body may be bytes
    return client.generic("POST", HEARTBEAT, content, content_type, **headers)


def problem(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def change_configuration(organization: Organization, **changes: Any) -> None:
    agents.change_configuration(
        current=agents.configuration_in_force(organization.pk), changes=changes, by=SYSTEM
    )


def test_first_heartbeat_registers_later_refresh(agent_key: Issued, acme: Organization) -> None:
    started = timezone.now()
    response = beat(agent_key, ALIVE)
    assert response.status_code == 200
    assert response.json() == {
        "configuration_version": 1,
        "heartbeat_interval_seconds": 60,
        "rotating_out": False,
        "rotating_out_at": None,
    }
    assert response["Cache-Control"] == "no-store"
    agent = Agent.objects.get()
    facts = {name: getattr(agent, name) for name in ALIVE}
    assert facts == ALIVE
    assert (agent.organization, agent.environment, agent.key_id) == (acme, "live", agent_key.key.pk)
    assert agent.last_heartbeat_at is not None
    assert started <= agent.last_heartbeat_at == agent.last_seen_at <= timezone.now()
    assert (
        agent.health(timezone.now(), agents.configuration_in_force(acme.pk).heartbeat_interval)
        == Health.HEALTHY
    )
    assert (
        TrailEntry.objects.filter(action="agent.registered", target_id=agent.public_id).count() == 1
    )

    assert beat(agent_key, {"host": "sql-prod-01", "version": "1.2.4"}).status_code == 200
    again = Agent.objects.get()
    assert (again.pk, again.version, again.configuration_version, again.queue_depth) == (
        agent.pk,
        "1.2.4",
        None,
        None,
    )
    assert again.last_seen_at > agent.last_seen_at
    assert TrailEntry.objects.filter(action="agent.registered").count() == 1


def test_same_host_elsewhere_is_another_agent(
    agent_key: Issued,
    test_agent_key: Issued,
    globex_agent_key: Issued,
    acme: Organization,
    globex: Organization,
) -> None:
    for number, issued in enumerate((agent_key, test_agent_key, globex_agent_key)):
        assert beat(issued, ALIVE | {"queue_depth": number}).status_code == 200
    rows = Agent.objects.order_by("queue_depth").values_list("organization_id", "environment")
    assert list(rows) == [(acme.pk, "live"), (acme.pk, "test"), (globex.pk, "live")]


def test_heartbeat_returns_the_current_version(
    agent_key: Issued, acme: Organization, globex: Organization
) -> None:
    change_configuration(acme, heartbeat_interval_seconds=30)
    change_configuration(globex, heartbeat_interval_seconds=45)
    change_configuration(globex, heartbeat_interval_seconds=50)
    assert beat(agent_key, ALIVE).json() == {
        "configuration_version": 2,
        "heartbeat_interval_seconds": 30,
        "rotating_out": False,
        "rotating_out_at": None,
    }


GOOD: list[dict[str, Any]] = [
    {"host": "x"}, {"host": "ä" * 256}, {"version": ""}, {"version": "x" * 64},
    {"configuration_version": None},
    {"configuration_version": 0}, {"configuration_version": 2**31 - 1}, {"queue_depth": None},
    {"queue_depth": 0},
    {"queue_depth": 2**63 - 1}, {"queue_depth": 3.0}, {"host": "\U0001f511 <b>\r\n\t\\"},
]  # fmt: skip


def test_heartbeat_at_its_limits_is_stored(agent_key: Issued) -> None:
    for change in GOOD:
        assert beat(agent_key, ALIVE | change).status_code == 200, change
        agent = Agent.objects.latest("last_seen_at")
        assert {name: getattr(agent, name) for name in ALIVE} == ALIVE | change


BAD: list[tuple[dict[str, Any], str]] = [
    ({"host": ""}, "host"), ({"host": "x" * 257}, "host"), ({"host": None}, "host"),
    ({"host": 1}, "host"),
    ({"host": ["x"]}, "host"), ({"host": "a\0"}, "host"), ({"host": "\ud800"}, "host"),
    ({"version": "x" * 65}, "version"),
    ({"version": None}, "version"), ({"configuration_version": -1}, "configuration_version"),
    ({"configuration_version": 2**31}, "configuration_version"),
    ({"configuration_version": "1"}, "configuration_version"),
    ({"configuration_version": True}, "configuration_version"),
    ({"configuration_version": 1.5}, "configuration_version"), ({"queue_depth": -1}, "queue_depth"),
    ({"queue_depth": 2**63}, "queue_depth"), ({"queue_depth": 10**300}, "queue_depth"),
    ({"queue_depth": 1.5}, "queue_depth"),
    ({"queue_depth": {}}, "queue_depth"), ({"colour": "red"}, "colour"),
    ({"environment": "test"}, "environment"),
    ({"<b>": 1}, "body"),
]  # fmt: skip


def test_invalid_field_is_named_and_registers_nothing(agent_key: Issued) -> None:
    for change, field in BAD:
        response = beat(agent_key, ALIVE | change)
        assert problem(response) == (422, "validation_failed"), change
        assert list(response.json()["errors"]) == [field]
        assert "<b>" not in response.content.decode()
    for missing in ("host", "version"):
        response = beat(
            agent_key, {name: value for name, value in ALIVE.items() if name != missing}
        )
        assert problem(response) == (422, "validation_failed")
        assert list(response.json()["errors"]) == [missing]
    assert not Agent.objects.exists()
    assert beat(agent_key, ALIVE).status_code == 200


NO_HEARTBEAT = [
    b"", b"[]", b"null", b"nonsense", b"{", b"\xff", b"\xef\xbb\xbf{}", b"[" * 60_000,
    b'{"host": NaN, "version": "1"}', b'{"host": "a", "host": "b", "version": "1"}',
    b'{"host": "a", "version": "1"} x',
    b'{"host": "a\0", "version": "1"}',
    '{"host": "a", "version": "1"}'.encode("utf-16"),
]  # fmt: skip


BEYOND_NUMBERS = [
    b'{"host": "a", "version": "1", "queue_depth": 1e400}',
    b'{"host": "a", "version": "1", "queue_depth": 1' + b"0" * 5000 + b"}",
]


def test_malformed_heartbeat_is_400(agent_key: Issued) -> None:
    for body in NO_HEARTBEAT:
        assert problem(beat(agent_key, body)) == (400, "malformed_body"), body[:40]
    for body in BEYOND_NUMBERS:
        assert problem(beat(agent_key, body)) == (422, "validation_failed"), body[:60]
    assert not Agent.objects.exists()


def test_heartbeat_is_plain_json_up_to_64_kib(agent_key: Issued) -> None:
    body = json.dumps(ALIVE).encode()
    assert beat(agent_key, body + b" " * (64 * 1024 - len(body))).status_code == 200
    assert problem(beat(agent_key, body + b" " * (64 * 1024 + 1 - len(body)))) == (
        413,
        "body_too_large",
    )
    assert problem(beat(agent_key, body, "text/plain")) == (415, "unsupported_media_type")
    assert problem(beat(agent_key, body, "application/json; charset=utf-16")) == (
        415,
        "unsupported_media_type",
    )
    assert problem(beat(agent_key, body, HTTP_CONTENT_ENCODING="gzip")) == (
        415,
        "unsupported_media_type",
    )


def test_configuration_has_an_etag(
    agent_key: Issued, acme: Organization, globex: Organization
) -> None:
    change_configuration(
        acme,
        batch_size=500,
        actions=["SL", "IN"],
        include_objects=["Sales.*"],
        exclude_objects=["*.tmp"],
    )
    change_configuration(globex, batch_size=7)
    response = api(agent_key).get(CONFIGURATION)
    assert response.status_code == 200
    assert response["ETag"] == '"2"'
    assert response["Cache-Control"] == "private, no-cache"
    assert response.json() == {
        "version": 2,
        "heartbeat_interval_seconds": 60,
        "batch_size": 500,
        "actions": ["SL", "IN"],
        "include_objects": ["Sales.*"],
        "exclude_objects": ["*.tmp"],
    }


@pytest.mark.parametrize("named", ['"1"', 'W/"1"', "*", '"7", "1"', ' "1" '])
def test_matching_etag_gets_304(named: str, agent_key: Issued, acme: Organization) -> None:
    response = api(agent_key).get(CONFIGURATION, HTTP_IF_NONE_MATCH=named)
    assert (response.status_code, response.content, response["ETag"]) == (304, b"", '"1"')
    change_configuration(acme, batch_size=500)
    assert api(agent_key).get(CONFIGURATION, HTTP_IF_NONE_MATCH=named).status_code == (
        304 if named == "*" else 200
    )


def test_other_etag_gets_the_configuration(agent_key: Issued) -> None:
    for named in ("", "1", '"2"', "nonsense", '"', "W/", '"1', "\xff", "," * 2000):
        assert api(agent_key).get(CONFIGURATION, HTTP_IF_NONE_MATCH=named).status_code == 200


def test_agent_api_accepts_only_agent_keys(agent_key: Issued, public_key: Issued) -> None:
    calls: list[Callable[[Any], Any]] = [
        lambda client: client.get(CONFIGURATION),
        lambda client: client.generic(
            "POST", HEARTBEAT, json.dumps(ALIVE).encode(), "application/json"
        ),
    ]
    for call in calls:
        assert call(api(agent_key)).status_code == 200
        assert problem(call(api(public_key))) == (403, "wrong_key_type")
        assert problem(call(APIClient())) == (401, "missing_key")


def test_suspension_denies_agents_at_once(
    agent_key: Issued, globex_agent_key: Issued, acme: Organization, staff: User
) -> None:
    assert beat(agent_key, ALIVE).status_code == 200
    tenants.suspend_organization(organization=acme, by=SYSTEM)
    assert problem(beat(agent_key, ALIVE)) == (401, "organization_suspended")
    assert problem(api(agent_key).get(CONFIGURATION)) == (401, "organization_suspended")
    assert beat(globex_agent_key, ALIVE).status_code == 200
    tenants.resume_organization(organization=acme, by=SYSTEM)
    assert beat(agent_key, ALIVE).status_code == 200


def test_schema_states_the_heartbeat_limits() -> None:
    schema = (
        APIClient().get("/api/v1/schema", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    )
    heartbeat = schema["paths"][HEARTBEAT]["post"]
    body = heartbeat["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["host", "version"]
    assert body["properties"]["queue_depth"]["anyOf"][0]["maximum"] == 2**63 - 1
    assert {"200", "400", "401", "403", "413", "415", "503"} <= set(heartbeat["responses"])
    assert {"200", "304"} <= set(schema["paths"][CONFIGURATION]["get"]["responses"])
