"""The demo's usage: what pages show is what the drainer moved."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from apikeys.models import Key, KeyRequest, Use
from apikeys.services.hosts import host_progress
from apikeys.usage import statistics

pytestmark = pytest.mark.django_db


@pytest.fixture
def seed() -> dict[str, Any]:
    out = StringIO()
    call_command(
        "seed_demo", "--json", "--force", "--events", "10", "--usage-days", "3", stdout=out
    )
    return dict(json.loads(out.getvalue()))


def test_figures_of_each_key_equal_its_requests(seed: dict[str, Any]) -> None:
    for key in Key.objects.all():
        uses = Use.objects.filter(key_id=key.pk)
        found = statistics.of_key(key, timezone.now())
        assert found.ever.requests == uses.count(), key.name
        last = uses.filter(denial="").order_by("-at").first()
        assert (last and last.at) == key.last_used_at, key.name
    assert Use.objects.exclude(denial="").exists()


def test_rotation_of_the_demo_is_half_done(seed: dict[str, Any]) -> None:
    progress = host_progress(Key.objects.get(name="Reporting SQL Agents"), timezone.now())
    assert progress is not None
    assert (progress.moved, progress.remaining) == (["sql-report-01"], ["sql-report-02"])


def test_one_request_waits_and_live_keys_need_none(seed: dict[str, Any]) -> None:
    request = KeyRequest.objects.still_open(timezone.now()).get()
    assert not request.organization.key_rules.needs_approval


def test_agents_of_the_demo_have_seeded_keys(seed: dict[str, Any]) -> None:
    hosts = [agent["host"] for agent in seed["agents"]]
    assert len(hosts) == len(set(hosts)) == 6
    assert seed["applications"][0]["id"].startswith("app_")
