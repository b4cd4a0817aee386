"""Sparklines in the lists of keys draw the requests of the listed keys only."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apikeys.services import Issued
from apikeys.usage import statistics
from apikeys.views.sparkline import COLUMN, HEIGHT, STEP, Sparkline
from tenants.models import User
from tests.apikeys.usage.conftest import Drain
from tests.apikeys.usage.test_statistics import NOW, WHOAMI, use
from tests.conftest import api, client_of

pytestmark = pytest.mark.django_db
LISTS = {"bob": "/profile/", "alice": "/o/acme/agents/api-keys/"}


def titles(user: User, path: str) -> dict[str, str]:
    """Return the title of each row's sparkline, by key."""
    html = client_of(user).get(path).content.decode()
    rows = re.findall(r"<tr.*?</tr>", html.partition("<tbody>")[2], re.DOTALL)
    names = {row: re.findall(r'<svg class="spark".*?<title>(.*?)</title>', row) for row in rows}
    return {
        re.findall(r"key_[0-9A-Za-z]+", row)[0]: (found or [""])[0] for row, found in names.items()
    }


def a_day(at: datetime) -> str:
    return f"{at.day} {at:%B}"


def test_drained_requests_are_drawn(
    public_key: Issued, agent_key: Issued, alice: User, bob: User, drain: Drain
) -> None:
    assert titles(bob, LISTS["bob"]) == {public_key.key.public_id: ""}, (
        "an unused key has no sparkline"
    )
    began = timezone.now()
    for path in (WHOAMI, WHOAMI, WHOAMI, "/api/v1/agent/config"):
        api(public_key).get(path)
    api(agent_key).get(WHOAMI)
    assert drain() == 5
    days = {a_day(began), a_day(timezone.now())}
    assert titles(bob, LISTS["bob"])[public_key.key.public_id] in {
        f"4 requests in 30 days, most on {day}" for day in days
    }
    assert titles(alice, LISTS["alice"])[agent_key.key.public_id] in {
        f"1 request in 30 days, on {day}" for day in days
    }


@pytest.mark.parametrize("name", LISTS)
def test_chart_legend_needs_a_chart(
    name: str, public_key: Issued, agent_key: Issued, request: pytest.FixtureRequest
) -> None:
    browser = client_of(request.getfixturevalue(name))
    assert b"Charts show" not in browser.get(LISTS[name]).content
    for each in (public_key, agent_key):
        use(each, timezone.now(), times=1)
    assert b"Charts show" in browser.get(LISTS[name]).content


@pytest.fixture
def used(
    public_key: Issued, agent_key: Issued, globex_public_key: Issued, globex_agent_key: Issued
) -> list[Issued]:
    """Issue and use one key of each kind at Acme and at Globex."""
    issued = [public_key, agent_key, globex_public_key, globex_agent_key]
    for each in issued:
        use(each, timezone.now(), times=7)
    return issued


@pytest.mark.parametrize(("name", "mine"), [("bob", 0), ("alice", 1)])
def test_list_draws_its_own_organization_only(
    name: str, mine: int, used: list[Issued], request: pytest.FixtureRequest
) -> None:
    (shown,) = titles(request.getfixturevalue(name), LISTS[name]).items()
    assert shown[0] == used[mine].key.public_id
    assert shown[1].startswith("7 requests")


def test_days_are_exact_per_key(public_key: Issued, agent_key: Issued) -> None:
    first = NOW.replace(hour=0, minute=0) - timedelta(days=29)
    use(public_key, first, times=2)
    use(public_key, first - timedelta(microseconds=1))
    use(public_key, NOW, times=3, status=500)
    use(agent_key, NOW, denial="insufficient_scope", status=403)
    counted = statistics.by_day([public_key.key, agent_key.key], NOW)
    assert list(counted[public_key.key.pk].values()) == [2] + 28 * [0] + [3]
    assert list(counted[agent_key.key.pk].values()) == 29 * [0] + [1]


def line(*requests: int) -> Sparkline:
    return Sparkline({NOW + timedelta(days=day): count for day, count in enumerate(requests)})


def test_busiest_day_fills_the_box() -> None:
    assert (
        line(1, 0, 1000).columns
        == f"M0 {HEIGHT}v-2h{COLUMN}v2zM{2 * STEP} {HEIGHT}v-{HEIGHT}h{COLUMN}v{HEIGHT}z"
    )
    assert line(1, 0, 1000).width == 2 * STEP + COLUMN
    assert line(0, 5, 5).busiest == NOW + timedelta(days=2)


def test_sparkline_keeps_the_csp(public_key: Issued, bob: User) -> None:
    use(public_key, timezone.now())
    page: Any = client_of(bob).get("/profile/")
    (drawn,) = re.findall(rb'<svg class="spark".*?</svg>', page.content)
    assert not re.search(rb"style|script|href|on[a-z]+=", drawn)
