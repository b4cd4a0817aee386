"""No request that starts after the response is accepted. The short run of revocation.py."""

import subprocess
import sys

import pytest

from tests.servers.keyway import ROOT
from tests.servers.postgres import require_binaries

pytestmark = [pytest.mark.server, pytest.mark.slow]


def run(*arguments: str) -> tuple[int, str]:
    require_binaries()
    command = [sys.executable, "-m", "tests.apikeys.revocation", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


def test_revocation_holds_in_every_process() -> None:
    status, output = run("--trials", "2")
    assert status == 0, output


def test_revocation_without_the_wait_is_caught() -> None:
    status, output = run(
        "--trials", "1", "--ways", "revoke", "--lease", "5000", "--lease-here", "0"
    )
    assert status == 1, output
    assert "and 0 accepted" not in output
