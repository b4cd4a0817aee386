"""The package, its metadata, the changelog, the footer and `/healthz` share one version."""

import re
import tomllib
from pathlib import Path

import pytest

import config
from tenants.models import User
from tests.conftest import client_of
from tests.wsgi import call

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


def test_healthz_answers_this_version() -> None:
    assert call("/healthz").body == f"alive {config.__version__}\n".encode()


@pytest.mark.django_db
def test_footer_shows_this_version(alice: User) -> None:
    page = client_of(alice).get("/profile/").content.decode()
    assert config.__version__ in page.partition("<footer")[2]
