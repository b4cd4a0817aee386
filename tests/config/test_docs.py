import re
from pathlib import Path

import pytest
from django.test import Client

from apikeys.api.schema.hooks import error_table
from config.lib.problems import PROBLEMS

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.django_db


def test_the_schema_is_openapi_31_with_the_key_and_every_problem() -> None:
    schema = Client().get("/api/v1/schema", headers={"accept": "application/json"}).json()
    assert schema["openapi"].startswith("3.1")
    assert schema["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"
    assert set(schema["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == set(
        PROBLEMS
    )
    whoami = schema["paths"]["/api/v1/whoami"]["get"]
    assert whoami["security"] == [{"ApiKey": []}, {"OAuth": []}]
    assert {"200", "401", "403", "503"} <= set(whoami["responses"])


def test_the_reference_allows_data_images_and_nothing_else_beyond_the_policy() -> None:
    reference, errors = Client().get("/docs/api/"), Client().get("/docs/errors/")
    policy, base = reference["Content-Security-Policy"], errors["Content-Security-Policy"]
    assert policy == base.replace("img-src 'self'", "img-src 'self' data:")
    assert not re.search(rb"<style|style=|<script>|onclick", reference.content)


def test_the_error_pages_name_every_code() -> None:
    page = Client().get("/docs/errors/").content.decode()
    assert all(f'id="{code}"' in page for code in PROBLEMS)


def test_the_written_error_table_is_the_one_in_the_code() -> None:
    assert error_table() in (ROOT / "docs" / "errors.md").read_text()


def test_every_picture_is_shown_and_every_one_shown_is_there() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    links = {page: re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text()) for page in pages}
    shown = {(page.parent / link).resolve() for page, found in links.items() for link in found}
    assert shown == set((ROOT / "docs" / "pictures").iterdir())


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    read = set(
        re.findall(r'env\.\w+\(\s*"([A-Z_0-9]+)"', (ROOT / "config" / "settings.py").read_text())
    )
    read |= set(
        re.findall(
            r"""environ\.get\(["']([A-Z_0-9]+)["']""",
            (ROOT / "config" / "serving" / "gunicorn.py").read_text(),
        )
    )
    documented = set(
        re.findall(
            r"^\| `([A-Z_0-9]+)` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE
        )
    )
    assert documented == read
