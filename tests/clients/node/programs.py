"""Run Node and npm. Each set of npm packages is installed once, as its lock file pins it."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from tests.servers.keyway import ROOT

HERE = Path(__file__).parent
PACKAGE = ROOT / "clients" / "node"


def node() -> str:
    return _program("node", "nodejs")


def npm() -> str:
    node()
    return _program("npm", "npm")


def installed(folder: Path) -> Path:
    """Install the packages of the folder's lock file; return the folder with node_modules."""
    files = [folder / "package.json", folder / "package-lock.json"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    place = ROOT / "var" / "npm" / f"{folder.name}-{digest}"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test processes would overwrite each other
        if not (place / "complete").exists():
            for file in files:
                shutil.copy(file, place)
            _run_npm("ci", "--ignore-scripts", cwd=place)
            (place / "complete").touch()
    return place


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command and return its output. A failure shows the program's own output."""
    # Settings of the developer's own npm or Keyway must not affect the tests.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KEYWAY_", "NODE_", "npm_"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout


def _run_npm(*arguments: str, cwd: Path) -> None:
    done = subprocess.run([npm(), *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        _missing(f"npm {' '.join(arguments)} failed:\n{done.stderr}")


def _program(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        _missing(f"{name} is not installed. Run: apt-get install {package}")
    return path


def _missing(message: str) -> NoReturn:
    """Skip with the message, or fail if CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
