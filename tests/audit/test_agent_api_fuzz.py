"""Fuzz the agent and activity APIs: no input causes a server error."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apikeys.services import Issued
from audit.activity.event import FIELDS
from audit.models import ActivityEvent
from tests.audit.events import event
from tests.conftest import api

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
# All examples share one database transaction on purpose: accumulating rows must not matter.
fuzz = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150
)

EVENTS, HEARTBEAT = "/api/v1/agent/events", "/api/v1/agent/heartbeat"
texts = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["\0", "\ud800", "\udc00\ud800", "\\", '"', "\x7f\x80"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
times = st.datetimes().map(lambda t: t.isoformat() + "Z") | texts
near_events = st.dictionaries(st.sampled_from(FIELDS), scalars, max_size=4).map(
    lambda facts: event(**facts)
)
timed_events = times.map(lambda time: event(event_time=time))
batches = st.lists(values | near_events | timed_events, max_size=4) | values
heartbeats = st.fixed_dictionaries(
    {"host": texts, "version": texts},
    optional={"configuration_version": scalars, "queue_depth": scalars, "x": scalars},
)
types = st.sampled_from(
    [
        "application/json",
        "application/x-ndjson",
        "application/json; charset=utf-8",
        "text/plain",
        "",
        ";",
        "\xff",
    ]
)
encodings = st.sampled_from(["", "gzip", "identity", "br", "gzip,", "\xff"])


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


def bare(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


bodies = (
    st.binary(max_size=200)
    | batches.map(written)
    | batches.map(bare)
    | st.lists(near_events.map(written)).map(b"\n".join)
)


@fuzz
@given(body=bodies, content_type=types, encoding=encodings, packed=st.booleans())
def test_batch_never_causes_a_server_error(
    agent_key: Issued, body: bytes, content_type: str, encoding: str, packed: bool
) -> None:
    before = ActivityEvent.objects.count()
    body = gzip.compress(body) if packed else body
    client: Any = api(agent_key)  # the stubs do not know that a body may be bytes
    response = client.generic("POST", EVENTS, body, content_type, HTTP_CONTENT_ENCODING=encoding)
    assert response.status_code in {200, 400, 413, 415, 422}, response.content
    accepted = response.json()["accepted"] if response.status_code == 200 else 0
    assert ActivityEvent.objects.count() == before + accepted


@fuzz
@given(
    body=st.binary(max_size=200)
    | heartbeats.map(written)
    | heartbeats.map(bare)
    | values.map(written)
)
def test_heartbeat_never_causes_a_server_error(agent_key: Issued, body: bytes) -> None:
    client: Any = api(agent_key)
    response = client.generic("POST", HEARTBEAT, body, "application/json")
    assert response.status_code in {200, 400, 415, 422}, response.content


@fuzz
@given(
    query=st.dictionaries(
        st.sampled_from(["since", "until", "actor", "q", "limit", "cursor", "success", "x"])
        | texts,
        texts | times,
    )
)
def test_query_never_causes_a_server_error(public_key: Issued, query: dict[str, str]) -> None:
    encodable = {
        name: value.encode("utf-8", "replace") for name, value in query.items() if name.isascii()
    }
    response = api(public_key).get("/api/v1/public/audit-activity", encodable)
    assert response.status_code in {200, 400}, response.content


@fuzz
@given(raw=st.text(st.characters(max_codepoint=255, min_codepoint=33), max_size=60))
def test_raw_query_never_causes_a_server_error(public_key: Issued, raw: str) -> None:
    response = api(public_key).get("/api/v1/public/audit-activity", QUERY_STRING=raw)
    assert response.status_code in {200, 400}, response.content
