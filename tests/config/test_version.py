"""The package, its metadata and the changelog share one version."""

import re
import tomllib
from pathlib import Path

import config

ROOT = Path(__file__).resolve().parents[2]


def test_package_metadata_has_version_and_license() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == config.__version__
    assert project["license"] == "Apache-2.0"
    assert (ROOT / "LICENSE").read_text().split()[:2] == ["Apache", "License"]


def test_changelog_starts_with_this_version() -> None:
    headings = re.findall(
        r"^## (\S+) \((unreleased|\d{4}-\d\d-\d\d)\)$",
        (ROOT / "CHANGELOG.md").read_text(),
        re.MULTILINE,
    )
    assert headings
    assert headings[0][0] == config.__version__
