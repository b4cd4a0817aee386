"""The agent builds, and the built packages carry their license."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.agent.conftest import AGENT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=AGENT,
        check=True,
        capture_output=True,
    )
    return folder


def test_wheel_carries_its_license(built: Path) -> None:
    [wheel] = built.glob("keyway_agent-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
        [metadata] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        assert archive.read(path) == (AGENT / "LICENSE").read_bytes()
        assert b"License-Expression: Apache-2.0\n" in archive.read(metadata)


def test_source_distribution_carries_its_license(built: Path) -> None:
    [source] = built.glob("keyway_agent-*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "src/keyway_agent/__main__.py"} <= names
