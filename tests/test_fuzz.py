"""A short run of Schemathesis, as its own program; the long one is ``python -m tests.fuzz``."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_schemathesis_finds_nothing_wrong_with_a_key_that_may_do_much() -> None:
    options = ["--sqlite", "--brief", "--seed", "1", "--examples", "2", "--kind", "managing key"]
    command = [sys.executable, "-m", "tests.fuzz", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    assert ended.returncode == 0, ended.stdout + ended.stderr
