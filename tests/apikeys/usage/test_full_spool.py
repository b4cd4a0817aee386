"""A spool that is full, read-only or on a full disk loses no request silently."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from apikeys.models import Secret, UsageGap, Use
from apikeys.services import Issued
from apikeys.usage.spool import segment
from apikeys.usage.spool import spool as spools
from tests.apikeys.test_authentication import assert_problem
from tests.apikeys.usage.conftest import Drain
from tests.conftest import IssueKey, api

pytestmark = pytest.mark.django_db
WHOAMI = "/api/v1/whoami"
QUOTA = 64 * 1024


def fill(spool: Path) -> Path:
    """Fill the spool with a file of another process that is never drained."""
    spool.mkdir(exist_ok=True)
    other = spool / "of-another.process"
    other.write_bytes(b"x" * QUOTA)
    time.sleep(spools.LOOK_SECONDS)
    return other


@pytest.fixture
def small(spool: Path, settings: Settings) -> Path:
    settings.KEYWAY_SPOOL_BYTES = QUOTA
    return spool


@pytest.fixture
def mounted(spool: Path) -> Iterator[Path]:
    """Mount the spool on a disk of 64 KiB."""
    spool.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(spool)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount")
    yield spool
    subprocess.run(["umount", "--lazy", str(spool)], check=True)


def remount(spool: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(spool)], check=True, capture_output=True)


def served(issued: Issued, times: int = 1) -> list[int]:
    return [api(issued).get(WHOAMI).status_code for _ in range(times)]


def recover() -> None:
    time.sleep(max(spools.RETRY_SECONDS, spools.LOOK_SECONDS))


def test_full_spool_refuses_before_work_and_recovers(
    public_key: Issued, agent_key: Issued, small: Path, drain: Drain
) -> None:
    assert served(public_key) == [200]
    other = fill(small)
    answer = api(agent_key).post("/api/v1/agent/heartbeat", {"host": "sql-1"}, format="json")
    assert_problem(answer, "unavailable")
    assert_problem(api(public_key).get(WHOAMI), "unavailable")
    assert not agent_key.key.organization.agents.exists()
    other.unlink()
    recover()
    assert served(public_key) == [200]
    assert drain() == 2
    gap = UsageGap.objects.get()
    assert (gap.served, gap.refused) == (0, 2)


def test_full_spool_still_answers_invalid_key(small: Path, db: None) -> None:
    fill(small)
    assert_problem(api(HTTP_X_API_KEY="sk_live_nonsense").get(WHOAMI), "invalid_key")


def test_full_spool_can_serve_and_count_the_loss(
    public_key: Issued,
    small: Path,
    settings: Settings,
    drain: Drain,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.KEYWAY_USAGE_WHEN_FULL = "count"
    assert served(public_key) == [200]
    other = fill(small)
    assert served(public_key, 3) == [200, 200, 200]
    assert "went unrecorded" in caplog.text
    other.unlink()
    recover()
    assert served(public_key) == [200]
    assert drain() == 2
    gap = UsageGap.objects.get()
    assert (gap.served, gap.refused) == (3, 0)
    assert gap.since < gap.until


def test_draining_makes_room(public_key: Issued, small: Path, drain: Drain) -> None:
    sent = 0
    while served(public_key) == [200]:
        sent += 1
        assert sent < 1000
    assert drain() == sent
    time.sleep(spools.LOOK_SECONDS)
    drain()
    recover()
    assert served(public_key) == [200]
    assert Use.objects.count() == sent


def written(spool: Path) -> list[bytes]:
    return [
        line
        for name in segment.names(spool)
        for line in segment.read(spool / name, 0, most_lines=10**6).lines
        if line
    ]


def test_full_disk_keeps_every_whole_line(public_key: Issued, mounted: Path, drain: Drain) -> None:
    sent = 0
    while (answer := api(public_key, HTTP_USER_AGENT="x" * 256).get(WHOAMI)).status_code == 200:
        sent += 1
        assert sent < 1000
    assert_problem(answer, "unavailable")
    assert len(written(mounted)) == sent
    remount(mounted, "size=1m")
    recover()
    assert served(public_key) == [200]
    assert drain() == sent + 1
    assert UsageGap.objects.get().refused == 1
    assert UsageGap.objects.get().unreadable == 0


def test_loss_count_needs_no_room_on_a_full_disk(
    public_key: Issued, mounted: Path, settings: Settings
) -> None:
    settings.KEYWAY_USAGE_WHEN_FULL = "count"
    assert served(public_key) == [200]
    (mounted / "the rest").write_bytes(b"x" * shutil.disk_usage(mounted).free)
    sent = 1
    while len(written(mounted)) == sent:
        assert served(public_key) == [200]
        sent += 1
    (name,) = segment.names(mounted)
    assert segment.look(mounted / name)[1].served == sent - len(written(mounted)) == 1


def test_rotation_may_be_done_despite_a_503(issue_public_key: IssueKey, mounted: Path) -> None:
    """This is why no SDK retries a 503 here, despite its Retry-After."""
    key = issue_public_key(scopes=("read:audit-activity", "manage:api-keys"))
    remount(mounted, "ro")
    answer = api(key).post(
        f"/api/v1/api-keys/{key.key.public_id}/rotate", {"grace": 3600}, format="json"
    )
    assert_problem(answer, "unavailable")
    assert "Retry-After" in answer.headers
    assert Secret.objects.filter(key=key.key).count() == 2


MISSED = {"block": (503, (0, 2)), "count": (200, (2, 0))}


@pytest.mark.parametrize("when_full", MISSED)
def test_read_only_disk_is_counted_and_recovers(
    when_full: str, public_key: Issued, mounted: Path, settings: Settings, drain: Drain
) -> None:
    status, missed = MISSED[when_full]
    settings.KEYWAY_USAGE_WHEN_FULL = when_full
    remount(mounted, "ro")
    assert served(public_key, 2) == [status, status]
    remount(mounted, "rw")
    recover()
    assert served(public_key) == [200]
    assert drain() == 1
    gap = UsageGap.objects.get()
    assert (gap.served, gap.refused) == missed
