"""The statistics of a key, and who may see them."""

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from apikeys import services as keys
from apikeys.models import Key, Secret, UsageGap, Use, UseCount
from apikeys.services import Issued
from apikeys.usage import statistics
from apikeys.usage.endpoints import Endpoints
from apikeys.usage.models import EPOCH, Period
from apikeys.usage.spool.lines import UseLine
from apikeys.usage.statistics import OutcomeCounts, Span, Window
from apikeys.usage.storage import store
from config.lib.ids import encode
from tenants.models import User
from tests.apikeys.usage.conftest import Drain
from tests.conftest import SYSTEM, IssueKey, api, client_of

pytestmark = pytest.mark.django_db
NOW = datetime(2025, 11, 21, 12, 30, tzinfo=UTC)
WHOAMI = "/api/v1/whoami"
Used = Callable[..., None]


def use(
    issued: Issued,
    at: datetime,
    *,
    times: int = 1,
    status: int = 200,
    denial: str = "",
    route: str = "/x",
) -> None:
    """Store requests as the drainer does."""
    key = issued.key
    ids = key.pk.hex, key.secrets.get(retired_at=None).pk.hex, key.organization_id.hex
    line = UseLine(
        (at - EPOCH) // timedelta(microseconds=1),
        *ids,
        "GET",
        route,
        status,
        denial,
        "127.0.0.1",
        "tests",
        1000,
    )
    store([line] * times, [], Endpoints())


def usage(user: User, key: Key) -> Any:
    return client_of(user).get(f"/api/v1/api-keys/{key.public_id}/usage")


def test_sent_requests_are_counted_and_shown(
    public_key: Issued, agent_key: Issued, bob: User, drain: Drain
) -> None:
    sent = {("GET", WHOAMI): 7, ("POST", WHOAMI): 3, ("GET", "/api/v1/agent/config"): 2}
    for (method, path), times in sent.items():
        for _ in range(times):
            api(public_key).generic(method, path)
    api(agent_key).get(WHOAMI)
    assert drain() == 13
    result = usage(bob, public_key.key).json()
    assert result["usage"] == {
        "total_requests": 12,
        "requests_24h": 12,
        "requests_7d": 12,
        "requests_30d": 12,
        "error_count": 5,
        "error_rate": 41.67,
    }
    assert result["top_endpoints"] == [
        {"endpoint": "GET /api/v1/whoami", "count": 7},
        {"endpoint": "POST /api/v1/whoami", "count": 3},
        {"endpoint": "GET /api/v1/agent/config", "count": 2},
    ]
    assert result["denials"] == [{"reason": "wrong_key_type", "count": 2}]
    assert sum(day["requests"] for day in result["daily_usage"]) == 12


def test_response_has_the_documented_fields(
    public_key: Issued, bob: User, stopped_clock: datetime
) -> None:
    Key.objects.filter(pk=public_key.key.pk).update(last_used_at=NOW)
    result = usage(bob, public_key.key).json()
    assert (result["key_id"], result["key_name"]) == (public_key.key.public_id, "SIEM Integration")
    assert result["last_used"] == "2025-11-21T12:30:00Z"
    assert set(result["usage"]) == {
        "total_requests",
        "requests_24h",
        "requests_7d",
        "requests_30d",
        "error_count",
        "error_rate",
    }
    days = [day["date"] for day in result["daily_usage"]]
    assert days == [str((stopped_clock - timedelta(days=ago)).date()) for ago in range(30)]
    secret = public_key.key.secrets.get()
    assert [
        (row["mask"], row["retired_at"], row["total_requests"]) for row in result["secrets"]
    ] == [(secret.mask, None, 0)]
    assert (result["denials"], result["top_endpoints"], result["incomplete"]) == ([], [], [])


def test_windows_are_exact_to_the_microsecond(public_key: Issued) -> None:
    instant = timedelta(microseconds=1)
    hours_ago, today = NOW.replace(minute=0) - timedelta(hours=23), NOW.replace(hour=0, minute=0)
    for start in (
        hours_ago,
        today - timedelta(days=6),
        today - timedelta(days=29),
        today - timedelta(days=89),
    ):
        use(public_key, start)
        use(public_key, start - instant)
    result = statistics.of_key(public_key.key, NOW)
    assert (
        result.day.requests,
        result.week.requests,
        result.month.requests,
        result.ever.requests,
    ) == (
        1,
        3,
        5,
        8,
    )


def test_day_has_24_bars_that_sum_to_its_total(public_key: Issued) -> None:
    use(public_key, NOW, times=2)
    use(public_key, NOW - timedelta(hours=5), status=500)
    use(public_key, NOW - timedelta(hours=23), denial="revoked_key", status=401)
    tally = statistics.Tally.of(public_key.key, Span.of(Window.DAY, NOW))
    assert len(tally.bars) == 24
    used = [bar.figures for bar in tally.bars if bar.figures.requests]
    assert [(each.ok, each.errors, each.denied) for each in used] == [
        (0, 0, 1),
        (0, 1, 0),
        (2, 0, 0),
    ]
    assert tally.bars[-1].starts_at == NOW.replace(minute=0)
    assert tally.figures.requests == 4


@pytest.mark.parametrize(
    ("window", "bars"), [(Window.WEEK, 7), (Window.MONTH, 30), (Window.QUARTER, 90)]
)
def test_longer_windows_have_a_bar_per_day(window: Window, bars: int, public_key: Issued) -> None:
    use(public_key, NOW)
    tally = statistics.Tally.of(public_key.key, Span.of(window, NOW))
    assert len(tally.bars) == bars
    assert tally.bars[-1].figures.requests == 1


def test_secrets_are_counted_apart(public_key: Issued) -> None:
    old = public_key.key.secrets.get()
    use(public_key, NOW - timedelta(days=3), times=5)
    Secret.objects.filter(pk=old.pk).update(retired_at=NOW)
    new = Secret.objects.create(
        key=public_key.key, lookup=1, proof=old.proof, pepper_version=1, mask="sk_live_new"
    )
    use(public_key, NOW, times=2)
    result = statistics.of_key(public_key.key, NOW).secrets
    assert [(row.secret.pk, row.requests, row.last_24h) for row in result] == [
        (new.pk, 2, 2),
        (old.pk, 5, 0),
    ]


def test_error_rate_is_a_percentage() -> None:
    assert OutcomeCounts().error_rate == 0.0
    outcomes = Counter({"ok": 1530, "client_error": 7, "server_error": 2, "revoked_key": 3})
    counted = OutcomeCounts(1530, 9, Counter({"revoked_key": 3}))
    assert OutcomeCounts.of(outcomes) == counted
    assert counted.error_rate == 0.78


def test_totals_outlive_single_requests(public_key: Issued) -> None:
    use(public_key, NOW - timedelta(days=200), times=3)
    Use.objects.all().delete()
    UseCount.objects.filter(period=Period.HOUR).delete()
    assert statistics.of_key(public_key.key, NOW).ever.requests == 3


def test_query_cost_does_not_grow_with_requests(
    public_key: Issued, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    use(public_key, NOW, times=1)
    with django_assert_num_queries(6) as captured:
        few = statistics.of_key(public_key.key, NOW)
    assert not [
        query
        for query in captured
        if "apikeys_use " in query["sql"] or '"apikeys_use"' in query["sql"]
    ]
    rows = UseCount.objects.count()
    use(public_key, NOW, times=500)
    assert UseCount.objects.count() == rows
    assert statistics.of_key(public_key.key, NOW).ever.requests == few.ever.requests + 500


def test_gap_appears_as_incomplete(public_key: Issued, bob: User) -> None:
    UsageGap.objects.create(
        segment="1-1-a.seg", since=NOW, until=NOW + timedelta(minutes=5), served=12
    )
    UsageGap.objects.create(segment="1-1-b.seg", since=NOW, until=NOW, refused=3)
    result = usage(bob, public_key.key).json()
    assert result["incomplete"] == [
        {"since": "2025-11-21T12:30:00Z", "until": "2025-11-21T12:35:00Z"}
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("alice", (200, 200)), ("bob", (200, 403)), ("carol", (200, 200)), ("staff", (404, 200))],
)
def test_usage_is_for_owner_and_key_managers(
    name: str,
    expected: tuple[int, int],
    public_key: Issued,
    agent_key: Issued,
    request: pytest.FixtureRequest,
) -> None:
    user = request.getfixturevalue(name)
    assert (
        usage(user, public_key.key).status_code,
        usage(user, agent_key.key).status_code,
    ) == expected


def test_foreign_key_looks_like_an_unknown_one(
    public_key: Issued, agent_key: Issued, mallory: User, drain: Drain
) -> None:
    api(public_key).get(WHOAMI)
    drain()
    client = client_of(mallory)
    nobodys = client.get(f"/api/v1/api-keys/{encode('key', uuid.uuid4())}/usage")
    assert nobodys.status_code == 404
    for issued in (public_key, agent_key):
        answer = client.get(f"/api/v1/api-keys/{issued.key.public_id}/usage")
        assert (answer.status_code, answer.content) == (404, nobodys.content)
    assert Client().get(f"/api/v1/api-keys/{public_key.key.public_id}/usage").status_code == 401


def test_usage_needs_the_scope_for_it(public_key: Issued, issue_public_key: IssueKey) -> None:
    manager = issue_public_key(scopes=("manage:api-keys",))
    path = f"/api/v1/api-keys/{public_key.key.public_id}/usage"
    assert api(manager).get(path).status_code == 200
    assert api(public_key).get(path).json()["code"] == "insufficient_scope"


def test_revoked_key_keeps_its_usage(public_key: Issued, bob: User, drain: Drain) -> None:
    api(public_key).get(WHOAMI)
    keys.revoke(key=public_key.key, by=SYSTEM)
    api(public_key).get(WHOAMI)
    drain()
    result = usage(bob, public_key.key).json()
    assert (result["usage"]["total_requests"], result["denials"]) == (
        2,
        [{"reason": "revoked_key", "count": 1}],
    )


MANY = """
INSERT INTO apikeys_usecount
    (key_id, period, starts_at, method, route, outcome, secret_id, requests)
SELECT gen_random_uuid(), period, %s, 'GET', '/x', 'ok', gen_random_uuid(), 1
FROM generate_series(1, 5000), unnest(ARRAY['hour', 'day', 'ever']) AS period
"""


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="plans are PostgreSQL's")
def test_statistics_queries_use_the_index(
    public_key: Issued,
) -> None:
    use(public_key, NOW)
    with connection.cursor() as cursor:
        cursor.execute(MANY, [NOW.replace(hour=0, minute=0)])
        cursor.execute("ANALYZE apikeys_usecount")
        with CaptureQueriesContext(connection) as captured:
            statistics.of_key(public_key.key, NOW)
            statistics.by_day([public_key.key], NOW)
        statements = [query["sql"] for query in captured if "usecount" in query["sql"]]
        assert len(statements) == 5
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan" not in plan, plan
            assert "apikeys_usecount_pk" in plan, plan
