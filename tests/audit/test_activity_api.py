"""`GET /api/v1/public/audit-activity`."""

import csv
import io
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import override_settings
from rest_framework.test import APIClient

from apikeys import services as keys
from apikeys.services import Issued
from audit.activity import queries
from audit.activity.ingest import Partition
from audit.models import ActivityEvent
from audit.trail.actor import Actor
from config.lib.environment import Environment
from config.lib.ids import decode, encode
from tenants.models import Organization
from tests.audit.events import event, send
from tests.conftest import IssueKey, api

pytestmark = pytest.mark.django_db

URL = "/api/v1/public/audit-activity"


@pytest.fixture
def events(acme: Organization) -> list[dict[str, Any]]:
    """Return Acme's five events, newest first."""
    events = [
        event(event_time=f"2025-11-21T11:00:{second:02d}.000000Z", statement=f"SELECT {second}")
        for second in range(5)
    ]
    send(Partition(acme.pk, Environment.LIVE), events)
    return events[::-1]


def problem(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    return response.status_code, body["code"]


def test_json_is_the_default_with_every_field(
    public_key: Issued, events: list[dict[str, Any]]
) -> None:
    response = api(public_key).get(URL)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    assert list(body) == ["data", "next_cursor"]
    assert body["next_cursor"] is None
    assert "Link" not in response
    assert [row["event_id"] for row in body["data"]] == [one["event_id"] for one in events]
    row = body["data"][0]
    assert list(row) == list(queries.FIELDS)
    assert row == row | events[0]
    assert encode("evt", decode("evt", row["id"])) == row["id"]
    assert str(decode("evt", row["id"])) == row["event_id"]
    assert re.fullmatch(r"2025-11-21T12:00:00\.000000Z", row["received_at"])


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "application/json", "text/html, */*;q=0.1"]
)
def test_accept_headers_that_allow_json_get_json(accept: str, public_key: Issued) -> None:
    assert (
        api(public_key).get(URL, HTTP_ACCEPT=accept)["Content-Type"].startswith("application/json")
    )


def test_ndjson_has_one_event_per_line(public_key: Issued, events: list[dict[str, Any]]) -> None:
    response = api(public_key).get(URL, HTTP_ACCEPT="application/x-ndjson")
    assert (response.status_code, response["Content-Type"]) == (200, "application/x-ndjson")
    rows = [json.loads(line) for line in response.content.decode().splitlines()]
    assert rows == api(public_key).get(URL).json()["data"]


def test_csv_has_a_header_and_no_formulas(public_key: Issued, acme: Organization) -> None:
    send(
        Partition(acme.pk, Environment.LIVE),
        [event(statement="=1+1", object_name="-2+3", host="@SUM(A1)", action_name='a,"b"')],
    )
    response = api(public_key).get(URL, HTTP_ACCEPT="text/csv")
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
    header, cells = csv.reader(io.StringIO(response.content.decode(), newline=""))
    assert header == list(queries.FIELDS)
    row = dict(zip(header, cells, strict=True))
    assert (row["statement"], row["object_name"], row["host"]) == ("'=1+1", "'-2+3", "'@SUM(A1)")
    assert (row["action_name"], row["succeeded"]) == ('a,"b"', "true")


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/xml",
        "application/problem+json",
        "x",
        "image/png, text/plain;q=0.5",
    ],
)
def test_other_formats_are_not_acceptable(accept: str, public_key: Issued) -> None:
    assert problem(api(public_key).get(URL, HTTP_ACCEPT=accept))[0] == 406


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson", "text/csv"])
def test_following_links_returns_each_event_once(
    accept: str, public_key: Issued, events: list[dict[str, Any]]
) -> None:
    client, seen, address = api(public_key, HTTP_ACCEPT=accept), "", f"{URL}?limit=2"
    pages = 0
    while address:
        response = client.get(address)
        assert response.status_code == 200
        pages += 1
        seen += response.content.decode()
        link = re.fullmatch(r'<(http://testserver/[^>]+)>; rel="next"', response.get("Link", ""))
        address = link[1].removeprefix("http://testserver") if link else ""
    assert pages == 3
    assert [seen.count(one["event_id"]) for one in events] == [1] * 5


def test_link_keeps_the_filter(public_key: Issued, events: list[dict[str, Any]]) -> None:
    response = api(public_key).get(
        URL, {"limit": "1", "q": "SELECT & <x>=%", "since": "2025-11-21T00:00:00+01:00"}
    )
    assert response.json() == {"data": [], "next_cursor": None}
    response = api(public_key).get(URL, {"limit": "1", "q": "SELECT ", "success": "true"})
    address = urlsplit(response["Link"][1:].split(">")[0])
    again = api(public_key).get(f"{address.path}?{address.query}")
    assert again.json()["data"][0]["event_id"] == events[1]["event_id"]
    assert again.json()["data"][0]["event_id"] != response.json()["data"][0]["event_id"]


UNDERSTOOD = {
    "": 5, "limit=1": 1, "limit=1000": 5, "limit=": 5, "actor=": 5, "since=": 5, "success=": 5,
    "cursor=": 5,
    "since=2025-11-21T11:00:03Z": 2, "since=2025-11-21T12:00:03%2B01:00": 2,
    "since=2025-11-21T11:00:03": 2,
    "since=2025-11-21": 5, "until=2025-11-21T11:00:03Z": 3, "until=0001-01-01T00:00:00Z": 0,
    "since=9999-12-31T23:59:59Z": 0,
    "success=true": 5, "success=false": 0, "action=SL": 5, "q=select+4": 1, "q=%25": 0,
    "q=%F0%9F%94%91": 0,
    "q=" + "x" * 256: 0, "database=x": 0, "object=x": 0, "client_ip=1.1.1.1": 0, "actor=x": 0,
    "q=%FF": 0,
    "since=2025-11-21T11:00:01Z&until=2025-11-21T11:00:04Z&q=SELECT&limit=2": 2,
}  # fmt: skip


def test_valid_parameters(public_key: Issued, events: list[dict[str, Any]]) -> None:
    for query, count in UNDERSTOOD.items():
        response = api(public_key).get(f"{URL}?{query}")
        assert (response.status_code, len(response.json()["data"])) == (200, count), query


NOT_UNDERSTOOD = {
    "limit=0": "limit", "limit=1001": "limit", "limit=-1": "limit", "limit=x": "limit",
    "limit=1e2": "limit",
    "limit=" + "9" * 5000: "limit", "limit=1&limit=1": "limit", "since=yesterday": "since",
    "until=2026-13-01": "until",
    "since=2025-11-21T11:00:00 01:00": "since", "since=0001-01-01T00:00:00%2B14:00": "since",
    "until=9999-12-31T23:59:59-14:00": "until", "success=maybe": "success",
    "success=True": "success", "success=1": "success",
    "q=a%00b": "q", "actor=%00": "actor", "q=" + "x" * 257: "q",
    "client_ip=" + "x" * 65: "client_ip",
    "actor=a&actor=b": "actor", "colour=red": "colour", "organization=globex": "organization",
    "format=csv": "format",
    "environment=test": "environment", "cursor=" + "x" * 300: "cursor", "<script>=1": None,
    "Actor=x": None, "=x": None,
}  # fmt: skip


def test_invalid_parameter_is_named(public_key: Issued) -> None:
    assert api(public_key).get(f"{URL}?limit=1").status_code == 200
    for query, parameter in NOT_UNDERSTOOD.items():
        response = api(public_key).get(f"{URL}?{query}")
        assert problem(response) == (400, "invalid_parameter"), query
        assert response.json()["parameter"] == parameter
        assert "script" not in response.content.decode()


def test_cursor_of_another_tenant_is_refused(
    public_key: Issued,
    globex_public_key: Issued,
    globex: Organization,
    events: list[dict[str, Any]],
) -> None:
    send(Partition(globex.pk, Environment.LIVE), events)
    theirs = api(globex_public_key).get(f"{URL}?limit=2").json()["next_cursor"]
    assert api(globex_public_key).get(URL, {"cursor": theirs}).status_code == 200
    ours = api(public_key).get(f"{URL}?limit=2").json()["next_cursor"]
    assert api(public_key).get(URL, {"cursor": ours}).status_code == 200
    for client, cursor in ((api(public_key), theirs), (api(globex_public_key), ours)):
        assert problem(client.get(URL, {"cursor": cursor})) == (400, "invalid_cursor")


@pytest.mark.parametrize("change", [{"q": "SELECT"}, {"since": "2025-01-01"}, {"success": "true"}])
def test_cursor_is_bound_to_its_filter(
    change: dict[str, str], public_key: Issued, events: list[dict[str, Any]]
) -> None:
    cursor = api(public_key).get(f"{URL}?limit=2").json()["next_cursor"]
    assert api(public_key).get(URL, {"cursor": cursor, "limit": "1"}).status_code == 200
    assert problem(api(public_key).get(URL, {"cursor": cursor} | change)) == (400, "invalid_cursor")


def test_test_key_reads_only_test_activity(
    public_key: Issued, issue_public_key: IssueKey, acme: Organization, events: list[dict[str, Any]]
) -> None:
    staged = event(statement="TEST")
    send(Partition(acme.pk, Environment.TEST), [staged])
    test_key = issue_public_key(name="Staging", environment=Environment.TEST)
    assert [row["statement"] for row in api(test_key).get(URL).json()["data"]] == ["TEST"]
    assert len(api(public_key).get(URL).json()["data"]) == 5
    cursor = api(public_key).get(f"{URL}?limit=2").json()["next_cursor"]
    assert problem(api(test_key).get(URL, {"cursor": cursor})) == (400, "invalid_cursor")


def test_other_tenant_reads_nothing(
    globex_public_key: Issued, public_key: Issued, events: list[dict[str, Any]]
) -> None:
    assert len(api(public_key).get(URL).json()["data"]) == 5
    assert api(globex_public_key).get(URL).json() == {"data": [], "next_cursor": None}


def test_keys_without_access_get_the_reason(public_key: Issued, agent_key: Issued) -> None:
    assert api(public_key).get(URL).status_code == 200
    assert problem(api(agent_key).get(URL))[0] == 403
    assert problem(api().get(URL)) == (401, "missing_key")
    keys.revoke(key=public_key.key, by=Actor.system("tests"))
    assert problem(api(public_key).get(URL)) == (401, "revoked_key")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "trace"])
def test_activity_is_read_only(method: str, public_key: Issued) -> None:
    assert problem(getattr(api(public_key), method)(URL)) == (405, "method_not_allowed")


@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite has no time limit for statements"
)
def test_slow_search_is_422(public_key: Issued, acme: Organization) -> None:
    send(Partition(acme.pk, Environment.LIVE), [event(statement="x" * 60_000)])
    assert api(public_key).get(f"{URL}?q=no such text").status_code == 200
    others = [
        column.name
        for column in ActivityEvent._meta.get_fields()
        if column.name not in ("pk", "event_id")
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO audit_activityevent (event_id, {', '.join(others)})"
            f" SELECT gen_random_uuid(), {', '.join(others)}"
            " FROM audit_activityevent, generate_series(1, 3000)"
        )
        cursor.execute("SET LOCAL statement_timeout = 100")
    assert problem(api(public_key).get(f"{URL}?q=no such text")) == (422, "query_too_broad")


def test_schema_names_every_parameter_and_format() -> None:
    schema = (
        APIClient().get("/api/v1/schema", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    )
    operation = schema["paths"][URL]["get"]
    names = {
        "since",
        "until",
        "actor",
        "action",
        "database",
        "object",
        "success",
        "client_ip",
        "q",
        "limit",
        "cursor",
    }
    assert {parameter["name"] for parameter in operation["parameters"]} == names
    assert set(operation["responses"]["200"]["content"]) == {
        "application/json",
        "application/x-ndjson",
        "text/csv",
    }
    assert {"400", "401", "403", "406", "422"} <= set(operation["responses"])


@override_settings(ALLOWED_HOSTS=["keyway.example"])
def test_link_uses_the_requested_host(public_key: Issued, events: list[dict[str, Any]]) -> None:
    response = api(public_key).get(f"{URL}?limit=1", HTTP_HOST="keyway.example")
    assert response["Link"].startswith("<http://keyway.example/api/v1/public/audit-activity?")
    assert api(public_key).get(f"{URL}?limit=1", HTTP_HOST="evil.example").status_code == 400
