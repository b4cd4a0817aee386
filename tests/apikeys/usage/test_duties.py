"""The worker drains and prunes. Servers and the drainer do neither on the side."""

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_django.fixtures import DjangoAssertNumQueries

from apikeys.models import Use
from apikeys.services import Issued
from config.lib.worker import duties
from config.lib.worker.duties import Registration
from tests.apikeys.usage.drained import Write, use
from tests.conftest import api
from tests.servers.keyway import ROOT, KeywayServer


def duty(name: str) -> Registration:
    (found,) = [each for each in duties.registered() if each.name == name]
    return found


@pytest.mark.django_db
def test_worker_drains_its_hosts_spool(
    write: Write, spool: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    drain = duty("drain_usage")
    assert drain.row_name == f"drain_usage@{duties.host()}:{spool}"
    assert drain.keeps_claim
    write(use())
    drain.run()
    assert Use.objects.count() == 1
    with django_assert_num_queries(0):
        drain.run()


@pytest.mark.django_db
def test_the_worker_prunes_what_is_older_than_the_setting(write: Write, settings: Settings) -> None:
    settings.KEYWAY_USAGE_RETENTION_DAYS = 7
    write(use(timezone.now() - timedelta(days=8)), use(timezone.now()))
    duty("drain_usage").run()
    assert Use.objects.count() == 2, "draining prunes nothing"
    duty("prune_usage").run()
    assert Use.objects.count() == 1


@pytest.mark.django_db
def test_a_server_starts_no_thread_that_drains(public_key: Issued) -> None:
    api(public_key).get("/api/v1/whoami")
    assert "usage-spool" in {thread.name for thread in threading.enumerate()}
    assert not [t.name for t in threading.enumerate() if "drain" in t.name or "prune" in t.name]


@pytest.mark.server
@pytest.mark.parametrize("left", ["thread", "off", "nonsense"])
def test_leftover_setting_breaks_nothing(left: str) -> None:
    environment = KeywayServer().environment | {"KEYWAY_DRAIN": left}
    command = [sys.executable, "manage.py", "check", "--tag", "security"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False)
    assert done.returncode == 0
