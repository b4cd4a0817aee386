"""Under CI=true, tests of servers and browsers are retried once, and the summary names them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = """
[pytest]
markers =
    server
"""
# Fails the first `FAILURES` times that it runs; so does the fixture of its module in the other one.
SUITE = """
import pathlib
import pytest

def runs(name):
    file = pathlib.Path(__file__).with_name(name)
    number = len(file.read_text()) if file.exists() else 0
    file.write_text("x" * (number + 1))
    return number

@pytest.fixture(scope="module")
def server():
    assert runs("server") >= {failures}, "did not start"

{mark}
def test_call():
    assert runs("call") >= {failures}, "did not answer"

{mark}
def test_setup(server):
    pass
"""


def run(folder: Path, *, failures: int, mark: str, ci: str) -> tuple[int, str]:
    (folder / "pytest.ini").write_text(SETTINGS)
    (folder / "test_suite.py").write_text(SUITE.format(failures=failures, mark=mark))
    command = [sys.executable, "-m", "pytest", "-p", "tests.ci_retry", "-p", "no:django"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-q", str(folder)],
        cwd=ROOT, env=os.environ | {"CI": ci}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failures", "mark", "ci", "status", "told"),
    [
        (1, "@pytest.mark.server", "true", 0, 2),
        (2, "@pytest.mark.server", "true", 1, 2),
        (1, "@pytest.mark.server", "", 1, 0),
        (1, "", "true", 1, 0),
        (0, "@pytest.mark.server", "true", 0, 0),
    ],
)
def test_a_failure_is_retried_once_and_named(
    *, failures: int, mark: str, ci: str, status: int, told: int, tmp_path: Path
) -> None:
    ended, output = run(tmp_path, failures=failures, mark=mark, ci=ci)
    assert ended == status, output
    assert output.count("RETRIED ") == told, output
    if told:
        assert "test_suite.py::test_setup: it failed with" in output
