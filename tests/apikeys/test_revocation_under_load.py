"""No request that starts after the answer is accepted: the short run of tests/apikeys/revocation.py."""

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


def test_nothing_that_starts_after_the_answer_is_accepted_by_any_process_of_any_server() -> None:
    status, told = run("--trials", "2")
    assert status == 0, told


def test_an_answer_that_does_not_wait_for_the_leases_is_found_out() -> None:
    status, told = run("--trials", "1", "--ways", "revoke", "--lease", "5000", "--lease-here", "0")
    assert status == 1, told
    assert "and 0 accepted" not in told
