"""View Activity: the chart, the table and the CSV of a key's usage agree."""

import csv
import io
import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apikeys.models import UsageGap
from apikeys.services import Issued
from apikeys.usage.statistics import Bar, OutcomeCounts, Window
from apikeys.views.usage_chart import Chart, round_up
from tenants.models import User
from tests.apikeys.usage.conftest import Drain
from tests.apikeys.usage.test_statistics import NOW, use
from tests.conftest import api, client_of

pytestmark = pytest.mark.django_db


def address(issued: Issued) -> str:
    return f"/keys/{issued.key.public_id}/usage/"


def shown(response: Any) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def table(html: str) -> list[list[int]]:
    """Return the rows of the chart's table, newest first."""
    (body,) = re.findall(
        r"<tbody>(.*?)</tbody>",
        html.split('<figure class="chart">')[1].split("</figure>", maxsplit=1)[0],
    )
    return [
        [int(n) for n in re.findall(r'data-label="\w+">(\d+)<', row)]
        for row in body.split("</tr>")[:-1]
    ]


def exported(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(response).decode(), newline="")))


def test_sent_requests_are_shown(
    public_key: Issued, agent_key: Issued, bob: User, drain: Drain
) -> None:
    for path, times in (("/api/v1/whoami", 5), ("/api/v1/agent/config", 2)):
        for _ in range(times):
            api(public_key, HTTP_USER_AGENT="export <1.0>").get(path)
    api(agent_key).get("/api/v1/whoami")
    drain()
    html = shown(client_of(bob).get(address(public_key)))
    assert "7 requests: 5 successful, 0 errors, 2 denied." in html
    # Of all days: one may have ended while they were sent.
    assert [sum(column) for column in zip(*table(html), strict=True)] == [5, 0, 2, 7]
    assert '<code>GET /api/v1/whoami</code><span class="number">5</span>' in html
    assert 'wrong_key_type</code></a><span class="number">2</span>' in html
    assert html.count("export &lt;1.0&gt;") == 7
    assert "<1.0>" not in html


@pytest.mark.parametrize("window", Window)
def test_chart_table_and_csv_agree_in_every_range(
    window: Window, public_key: Issued, bob: User, stopped_clock: datetime
) -> None:
    now = stopped_clock
    for ago in (0, 1, 5, 20, 80):
        use(public_key, now - timedelta(days=ago), times=ago + 1)
        use(public_key, now - timedelta(days=ago), status=500)
    client = client_of(bob)
    html = shown(client.get(address(public_key), {"range": window.value}))
    figures = table(html)
    rows = exported(client.get(address(public_key), {"range": window.value, "format": "csv"}))
    assert len(figures) == len(rows) == {"24h": 24, "7d": 7, "30d": 30, "90d": 90}[window.value]
    assert [
        [int(row[name]) for name in ("ok", "errors", "denied", "requests")]
        for row in reversed(rows)
    ] == figures
    assert html.count('<rect class="chart-ok" x=') == sum(row[0] > 0 for row in figures) > 0
    link = f'href="{address(public_key)}?range={window.value}"'
    assert f'{link} data-dialog="inside" aria-current="page"' in html


def test_csv_download_names_its_key(public_key: Issued, bob: User) -> None:
    response = client_of(bob).get(address(public_key), {"range": "7d", "format": "csv"})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert (
        response["Content-Disposition"]
        == f'attachment; filename="usage-{public_key.key.public_id}-7d.csv"'
    )
    assert response["Cache-Control"] == "no-store"
    assert [row["requests"] for row in exported(response)] == ["0"] * 7


@pytest.mark.parametrize("value", ["", "1y", "24H", "7d' OR 1", "\0"])
def test_unknown_range_falls_back_to_the_default(value: str, public_key: Issued, bob: User) -> None:
    assert len(table(shown(client_of(bob).get(address(public_key), {"range": value})))) == 7


def test_unused_key_has_axes_and_says_so(public_key: Issued, bob: User) -> None:
    html = shown(client_of(bob).get(address(public_key)))
    assert '<p class="chart-nothing muted">No requests</p>' in html
    assert "No requests have used this key yet." in html
    assert "chart-axis" in html


def test_hours_use_the_users_zone_and_days_utc(public_key: Issued, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(time_zone="Asia/Kolkata")
    client = client_of(bob)
    assert "Hourly, Asia/Kolkata" in (
        hours := shown(client.get(address(public_key), {"range": "24h"}))
    )
    assert re.findall(r"<li>(\d\d:30)</li>", hours)
    assert "Daily, UTC" in shown(client.get(address(public_key), {"range": "30d"}))


def test_gap_shows_in_its_range_only(public_key: Issued, bob: User) -> None:
    at = timezone.now() - timedelta(days=3)
    UsageGap.objects.create(segment="1-1-a.seg", since=at, until=at, served=7)
    client = client_of(bob)
    assert "may be incomplete" in shown(client.get(address(public_key), {"range": "7d"}))
    assert "may be incomplete" not in shown(client.get(address(public_key), {"range": "24h"}))


@pytest.mark.parametrize(
    ("name", "status"),
    [("alice", 200), ("carol", 200), ("staff", 200), ("bob", 403), ("mallory", 404)],
)
def test_agent_key_usage_needs_read_agents(
    name: str, status: int, agent_key: Issued, request: pytest.FixtureRequest
) -> None:
    assert client_of(request.getfixturevalue(name)).get(address(agent_key)).status_code == status


@pytest.mark.parametrize(
    ("name", "status"),
    [("bob", 200), ("alice", 200), ("carol", 200), ("staff", 404), ("mallory", 404)],
)
def test_public_key_usage_is_its_owners_and_readers_of_members(
    name: str, status: int, public_key: Issued, request: pytest.FixtureRequest
) -> None:
    assert client_of(request.getfixturevalue(name)).get(address(public_key)).status_code == status
    assert Client().get(address(public_key)).status_code == 302


def test_page_queries_do_not_grow_with_usage(
    public_key: Issued, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(bob)
    use(public_key, timezone.now(), times=300)
    with django_assert_max_num_queries(19):
        client.get(address(public_key))


def test_lists_link_to_the_page(
    public_key: Issued, agent_key: Issued, bob: User, carol: User
) -> None:
    link = f'href="{address(public_key)}?next=/profile/" data-dialog'
    assert link in shown(client_of(bob).get("/profile/"))
    html = shown(client_of(carol).get("/o/acme/agents/api-keys/"))
    link = f'href="{address(agent_key)}?next=/o/acme/agents/api-keys/" data-dialog="inside"'
    assert link in html
    assert "Pause" not in html


def bars(*figures: OutcomeCounts) -> list[Bar]:
    return [Bar(NOW, each) for each in figures]


@pytest.mark.parametrize(
    ("most", "top"),
    [
        (0, 2),
        (1, 2),
        (2, 2),
        (3, 4),
        (9, 10),
        (10, 10),
        (11, 20),
        (79, 80),
        (81, 100),
        (100, 100),
        (101, 200),
        (10**7, 10**7),
    ],
)
def test_scale_is_round_with_a_whole_half(most: int, top: int) -> None:
    assert round_up(most) == top
    assert top % 2 == 0


def test_columns_stack_and_fit_the_box() -> None:
    chart = Chart(
        bars(OutcomeCounts(50, 25, Counter(x=25)), OutcomeCounts(), OutcomeCounts(1)), labels=3
    )
    first, second, third = chart.columns
    assert [(part.kind, part.y, part.height) for part in first.parts] == [
        ("ok", "50.00", "50.00"),
        ("error", "25.00", "25.00"),
        ("denied", "0.00", "25.00"),
    ]
    assert second.parts == []
    assert [(part.y, part.height) for part in third.parts] == [("99.00", "1.00")], (
        "little is still seen"
    )
    assert chart.width == 30
