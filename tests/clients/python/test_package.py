"""The SDK builds, and the built packages work without the source folder."""

import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import keyway
import pytest

from tests.clients.python.conftest import SDK

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=SDK,
        check=True,
        capture_output=True,
    )
    return folder


def test_wheel_contains_exactly_the_typed_package(built: Path) -> None:
    [wheel] = built.glob("keyway_sdk-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(SDK / "src")) for path in (SDK / "src").rglob("*.py")}
    assert {name for name in names if ".dist-info/" not in name} == modules | {"keyway/py.typed"}


def test_wheel_carries_its_license(built: Path) -> None:
    [wheel] = built.glob("keyway_sdk-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
        [metadata] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        assert archive.read(path) == (SDK / "LICENSE").read_bytes()
        assert b"License-Expression: Apache-2.0\n" in archive.read(metadata)


def test_source_distribution_can_be_built(built: Path) -> None:
    [source] = built.glob("keyway_sdk-*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "README.md", "LICENSE"}
    assert needed | {"src/keyway/__init__.py", "src/keyway/py.typed"} <= names
    assert not [
        name for name in names if name.endswith(".pyc") or name.startswith(("tests", "dist"))
    ]


def test_wheel_works_with_only_its_dependencies(built: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("keyway_sdk-*.whl")
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    [site] = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    for name in dependencies():
        for found in Path(sysconfig.get_path("purelib")).glob(f"{name}*"):
            (site / found.name).symlink_to(found)
    program = (
        "import keyway, sys; print(keyway.__version__, keyway.__file__);"
        "keyway.Client(api_key='sk_live_x', base_url='https://keyway.example').close();"
        "keyway.Verifier(base_url='https://keyway.example').close();"
        "assert not {'django', 'fastapi', 'rest_framework', 'requests'} & set(sys.modules)"
    )
    done = subprocess.run(
        [python, "-I", "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [keyway.__version__, str(site / "keyway" / "__init__.py")]


def test_http_client_is_the_only_dependency() -> None:
    project = tomllib.loads((SDK / "pyproject.toml").read_text())["project"]
    assert [re.split(r"[<>=~]", each)[0] for each in project["dependencies"]] == ["httpx2"]


def dependencies() -> set[str]:
    """Return the importable names of the HTTP client and everything it needs."""
    return {
        "httpx2",
        "httpcore2",
        "anyio",
        "idna",
        "truststore",
        "h11",
        "typing_extensions",
        "certifi",
    }
