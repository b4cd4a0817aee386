"""A rotation of real agents loses nothing and finishes itself. The short run of rotation.py."""

import subprocess
import sys

import pytest

from tests.servers.keyway import ROOT

pytestmark = [pytest.mark.server, pytest.mark.slow]


def run(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tests.agent.rotation", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    return done.returncode, done.stdout + done.stderr


def test_agents_move_without_loss_and_the_rotation_finishes() -> None:
    status, output = run("--agents", "5")
    assert status == 0, output


def test_host_that_never_moves_keeps_the_rotation_open() -> None:
    status, output = run("--agents", "2", "--keep-one")
    assert status == 1, output
    assert "1 flaws" in output
    assert "not finished: ['pg-" in output
