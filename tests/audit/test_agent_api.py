"""`POST /api/v1/agent/events`: verdicts, limits, and atomicity."""

import gzip
import io
import json
import random
import re
import zlib
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apikeys import services as keys
from apikeys.services import Issued
from audit.activity.batch import MAX_BYTES
from audit.models import ActivityEvent, TrailEntry
from audit.trail.actor import Actor
from config.lib.bodies import JSON, Accepted, read_body
from config.lib.environment import Environment
from config.lib.problems import ApiProblem
from config.lib.triggers import Guard
from tenants.models import Agent, Organization
from tests.audit.events import array, event, lines
from tests.conftest import IssueKey, api

pytestmark = pytest.mark.django_db

URL = "/api/v1/agent/events"
RECENT = {"event_time": "2025-11-20T10:00:00Z"}


def post(
    issued: Issued, body: bytes, content_type: str = "application/json", **headers: Any
) -> Any:
    client: Any = api(issued)  # the stubs do not know that a body may be bytes
    return client.generic("POST", URL, body, content_type, **headers)


def problem(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    return response.status_code, body["code"]


def stored() -> set[str]:
    return {str(pk) for pk in ActivityEvent.objects.values_list("event_id", flat=True)}


@pytest.mark.parametrize(
    ("content_type", "write"),
    [
        ("application/json", array),
        ("application/json; charset=utf-8", array),
        ('Application/JSON;Charset="UTF-8"', array),
        ("application/x-ndjson", lines),
    ],
)
@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "GZIP"])
def test_batch_is_stored_in_every_encoding(
    content_type: str, write: Any, encoding: str, agent_key: Issued
) -> None:
    events = [event() for _ in range(3)]
    body = gzip.compress(write(events)) if encoding.lower() == "gzip" else write(events)
    headers = {"HTTP_CONTENT_ENCODING": encoding} if encoding else {}
    response = post(agent_key, body, content_type, **headers)
    assert response.status_code == 200
    assert response.json() == {"accepted": 3, "duplicate": 0, "rejected": []}
    assert stored() == {one["event_id"] for one in events}


def test_each_event_gets_a_verdict(agent_key: Issued) -> None:
    known = event()
    assert post(agent_key, array([known])).status_code == 200
    response = post(
        agent_key,
        array([event(), known, event(colour="red"), known | {"statement": "x"}, event(host=None)]),
    )
    assert response.status_code == 200
    body = response.json()
    assert (body["accepted"], body["duplicate"]) == (1, 1)
    assert [(one["index"], one["code"], one["field"]) for one in body["rejected"]] == [
        (2, "unknown_field", "colour"),
        (3, "conflicting_event", "event_id"),
        (4, "invalid_field", "host"),
    ]
    assert all(
        set(one) == {"index", "code", "field", "detail"} and one["detail"]
        for one in body["rejected"]
    )


def test_entirely_invalid_batch_is_422_without_effect(agent_key: Issued) -> None:
    entries = TrailEntry.objects.count()
    response = post(
        agent_key, array([event(colour="red"), {**event(), "event_time": "2025-11-20T10:00:00"}])
    )
    assert problem(response) == (422, "invalid_batch")
    assert [(one["index"], one["code"], one["field"]) for one in response.json()["rejected"]] == [
        (0, "unknown_field", "colour"),
        (1, "invalid_field", "event_time"),
    ]
    assert (ActivityEvent.objects.count(), Agent.objects.count(), TrailEntry.objects.count()) == (
        0,
        0,
        entries,
    )


def test_batch_of_duplicates_succeeds(agent_key: Issued) -> None:
    body = array([event()])
    assert post(agent_key, body).json() == {"accepted": 1, "duplicate": 0, "rejected": []}
    again = post(agent_key, body)
    assert (again.status_code, again.json()) == (
        200,
        {"accepted": 0, "duplicate": 1, "rejected": []},
    )


GOOD = array([event()])
PACKED = gzip.compress(GOOD)
GZIP = {"HTTP_CONTENT_ENCODING": "gzip"}
MALFORMED: list[tuple[bytes, dict[str, str]]] = [
    (b"", {}), (b"[]", {}), (b"{}", {}), (b"nonsense", {}), (b"\xff\xfe", {}),
    (b"[" * 100_000, {}), (GOOD[:-1], {}),
    (PACKED, {}), (GOOD, GZIP), (PACKED[:-1], GZIP), (PACKED[:-9], GZIP), (PACKED + b"x", GZIP),
    (PACKED + PACKED, GZIP),
    (b"", GZIP), (zlib.compress(GOOD), GZIP), (PACKED[:20] + b"\0\0\0" + PACKED[23:], GZIP),
    (gzip.compress(PACKED), GZIP),
]  # fmt: skip


def test_malformed_batch_is_400_and_stores_nothing(agent_key: Issued) -> None:
    for number, (body, headers) in enumerate(MALFORMED):
        assert problem(post(agent_key, body, **headers)) == (400, "malformed_batch"), number
    assert stored() == set()
    assert post(agent_key, GOOD).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("", {}), ("text/plain", {}), ("application/xml", {}),
        ("application/x-www-form-urlencoded", {}),
        ("multipart/form-data; boundary=x", {}), ("application/json, text/plain", {}),
        ("application/problem+json", {}),
        *[
            (f"application/json; charset={name}", {})
            for name in ("utf-16", "latin-1", "utf-7", "bz2_codec", "zlib", "", "x")
        ],
        ("application/json; charset=utf-8; charset=utf-16", {}),
        ("application/json; charset*=utf-8''utf-16", {}),
        *[
            ("application/json", {"HTTP_CONTENT_ENCODING": name})
            for name in ("br", "deflate", "gzip, gzip", "gzip;q=1", "x")
        ],
    ],
)  # fmt: skip
def test_other_types_and_encodings_are_415(
    content_type: str, headers: dict[str, str], agent_key: Issued
) -> None:
    assert problem(post(agent_key, GOOD, content_type, **headers)) == (
        415,
        "unsupported_media_type",
    )
    assert stored() == set()


def test_refused_encoding_lists_the_supported_ones(agent_key: Issued) -> None:
    assert post(agent_key, GOOD, HTTP_CONTENT_ENCODING="br")["Accept-Encoding"] == "gzip"
    assert post(agent_key, GOOD, "text/plain")["Accept"] == "application/json, application/x-ndjson"


@pytest.mark.parametrize("padding", [b" ", b"\n"])
def test_body_may_reach_the_exact_limit(padding: bytes, agent_key: Issued) -> None:
    largest = GOOD + padding * (MAX_BYTES - len(GOOD))
    assert post(agent_key, largest).status_code == 200
    assert post(agent_key, gzip.compress(largest, 1), **GZIP).status_code == 200
    for body, headers in ((largest + padding, {}), (gzip.compress(largest + padding, 1), GZIP)):
        assert problem(post(agent_key, body, **headers)) == (413, "batch_too_large")


def test_gzip_bomb_is_dropped_at_the_limit(agent_key: Issued) -> None:
    bomb = zlib.compressobj(1, wbits=31)
    body = b"".join([bomb.compress(b"[" + b" " * 1_000_000) for _ in range(200)]) + bomb.flush()
    assert len(body) < 2_000_000
    assert problem(post(agent_key, body, **GZIP)) == (413, "batch_too_large")


def test_chunked_body_is_read_up_to_the_limit() -> None:
    accepted = Accepted((JSON,), 10, "malformed_batch", "batch_too_large")

    def read(stream: Any, **meta: Any) -> bytes:
        request = RequestFactory().generic("POST", URL, b"x", JSON)
        request.META |= {
            "CONTENT_LENGTH": "",
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
        } | meta
        request.META["wsgi.input"] = stream
        return read_body(request, accepted).content

    assert read(io.BytesIO(b"0123456789")) == b"0123456789"
    endless = Endless()
    with pytest.raises(ApiProblem) as refusal:
        read(endless)
    assert refusal.value.code == "batch_too_large"
    assert endless.read_so_far == 11
    # If the server does not end the stream with the body, reading on would never return.
    assert read(endless, **{"wsgi.input_terminated": False}) == b""


class Endless(io.RawIOBase):
    read_so_far = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0
        self.read_so_far += size
        return b"x" * size


def test_content_length_over_the_limit_is_unread() -> None:
    class Untouchable(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("read")

    request = RequestFactory().generic("POST", URL, b"x", JSON)
    request.META |= {"CONTENT_LENGTH": str(MAX_BYTES + 1), "wsgi.input": Untouchable()}
    with pytest.raises(ApiProblem) as refusal:
        read_body(request, Accepted((JSON,), MAX_BYTES, "malformed_batch", "batch_too_large"))
    assert refusal.value.code == "batch_too_large"


def test_body_shorter_than_its_length_is_refused() -> None:
    request = RequestFactory().generic("POST", URL, GOOD, JSON, CONTENT_LENGTH=str(len(GOOD)))
    request._stream = io.BytesIO(GOOD[:-10])  # the client hung up early
    with pytest.raises(ApiProblem) as refusal:
        read_body(request, Accepted((JSON,), MAX_BYTES, "malformed_batch", "batch_too_large"))
    assert refusal.value.code == "malformed_batch"


def test_batch_registers_its_hosts_as_agents(
    agent_key: Issued,
    test_agent_key: Issued,
    globex_agent_key: Issued,
    acme: Organization,
    globex: Organization,
) -> None:
    batch = array([event(host="a"), event(host="b"), event(host="bad", colour="red")])
    for issued in (agent_key, test_agent_key, globex_agent_key):
        assert post(issued, batch).json()["accepted"] == 2
        assert post(issued, batch).json()["duplicate"] == 2
    found = {
        (agent.organization_id, agent.environment, agent.host, agent.key_id)
        for agent in Agent.objects.all()
    }
    places = [
        (acme.pk, "live", agent_key),
        (acme.pk, "test", test_agent_key),
        (globex.pk, "live", globex_agent_key),
    ]
    assert found == {
        (pk, environment, host, issued.key.pk)
        for pk, environment, issued in places
        for host in "ab"
    }
    assert ActivityEvent.objects.count() == 6
    assert TrailEntry.objects.filter(action="agent.registered").count() == 6


def test_lock_order_is_events_agents_trail(agent_key: Issued) -> None:
    assert post(agent_key, array([event(host="b")])).status_code == 200
    with CaptureQueriesContext(connection) as queries:
        assert post(agent_key, array(event(host=host) for host in "cba")).status_code == 200
    statements = [query["sql"] for query in queries]
    writes = [sql for sql in statements if re.match(r"(\d+ times: )?(INSERT|UPDATE|COPY)", sql)]
    order = ("activityevent", "tenants_agent", "audit_trail")
    tables = [next(table for table in order if table in sql) for sql in writes]
    assert set(tables) == set(order)
    assert tables == sorted(tables, key=order.index)
    hosts = re.findall(r"host\"? = '([abc])'", " ".join(statements))
    assert set(hosts) == set("abc")
    assert hosts == sorted(hosts)


def test_untrailed_batch_is_not_stored(agent_key: Issued) -> None:
    full = Guard("trail_is_full", "audit_trailentry", "INSERT")
    with connection.cursor() as cursor:
        for statement in full.create(connection.vendor):
            cursor.execute(statement)
    response = post(agent_key, array([event(host="new")]))
    assert problem(response) == (503, "unavailable")
    assert response["Retry-After"]
    assert (ActivityEvent.objects.count(), Agent.objects.count()) == (0, 0)
    with connection.cursor() as cursor:
        for statement in full.drop(connection.vendor):
            cursor.execute(statement)
    assert post(agent_key, array([event(host="new")])).status_code == 200


def test_test_key_writes_only_test_activity(
    agent_key: Issued, test_agent_key: Issued, acme: Organization
) -> None:
    same = event()
    assert post(agent_key, array([same])).json()["accepted"] == 1
    assert post(test_agent_key, array([same | {"statement": "other"}])).json()["accepted"] == 1
    rows = ActivityEvent.objects.filter(organization_id=acme.pk).order_by("environment")
    assert list(rows.values_list("environment", "statement")) == [("live", ""), ("test", "other")]


def test_keys_without_access_are_denied_unread(
    agent_key: Issued, public_key: Issued, issue_agent_key: IssueKey
) -> None:
    assert post(agent_key, GOOD).status_code == 200
    assert problem(post(public_key, b"nonsense", "text/plain")) == (403, "wrong_key_type")
    assert problem(APIClient().generic("POST", URL, "nonsense", "text/plain")) == (
        401,
        "missing_key",
    )
    other = issue_agent_key(name="Second agent")
    keys.revoke(key=agent_key.key, by=Actor.system("tests"))
    assert problem(post(agent_key, array([event()]))) == (401, "revoked_key")
    assert post(other, array([event()])).status_code == 200
    assert ActivityEvent.objects.count() == 2


def test_caller_cannot_name_another_organization(agent_key: Issued, globex: Organization) -> None:
    assert post(agent_key, array([event()]), HTTP_X_ORGANIZATION_ID="acme").status_code == 200
    assert problem(post(agent_key, array([event()]), HTTP_X_ORGANIZATION_ID="globex")) == (
        403,
        "wrong_organization",
    )
    response = post(
        agent_key, array([event(organization_id=str(globex.pk)), event(environment="test")])
    )
    assert [one["code"] for one in response.json()["rejected"]] == [
        "unknown_field",
        "unknown_field",
    ]
    assert not ActivityEvent.objects.filter(organization_id=globex.pk).exists()
    assert not ActivityEvent.objects.filter(environment=Environment.TEST).exists()


def test_thousand_shuffled_resends_store_the_exact_set(agent_key: Issued) -> None:
    events = [event(**RECENT) for _ in range(60)]
    chance, accepted = random.Random(1), 0
    for _ in range(40):
        batch = chance.sample(events, chance.randint(1, 10))
        body = post(agent_key, lines(batch), "application/x-ndjson").json()
        assert body["accepted"] + body["duplicate"] == len(batch)
        accepted += body["accepted"]
    assert accepted == len(stored())
    assert stored() <= {one["event_id"] for one in events}


def test_schema_states_the_event_limits() -> None:
    schema = (
        APIClient().get("/api/v1/schema", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    )
    operation = schema["paths"][URL]["post"]
    body = operation["requestBody"]["content"]
    assert set(body) == {"application/json", "application/x-ndjson"}
    item = body["application/json"]["schema"]["items"]
    assert item["properties"]["statement"]["maxLength"] == 65_536
    assert item["required"] == ["event_id", "event_time", "host", "action_id", "succeeded"]
    assert {"200", "400", "401", "403", "413", "415", "422", "503"} <= set(operation["responses"])
    assert json.dumps(operation)
