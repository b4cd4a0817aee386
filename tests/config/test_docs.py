"""The documents agree with the code and with each other."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from apikeys.api.schema.hooks import error_table
from config.lib.problems import PROBLEMS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

pytestmark = pytest.mark.django_db


def test_schema_is_openapi_31_with_every_problem() -> None:
    schema = Client().get("/api/v1/schema", headers={"accept": "application/json"}).json()
    assert schema["openapi"].startswith("3.1")
    assert schema["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"
    assert set(schema["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == set(
        PROBLEMS
    )
    whoami = schema["paths"]["/api/v1/whoami"]["get"]
    assert whoami["security"] == [{"ApiKey": []}, {"OAuth": []}, {"UserToken": []}]
    assert {"200", "401", "403", "503"} <= set(whoami["responses"])


def test_reference_csp_adds_only_data_images() -> None:
    reference, errors = Client().get("/docs/api/"), Client().get("/docs/errors/")
    policy, base = reference["Content-Security-Policy"], errors["Content-Security-Policy"]
    assert policy == base.replace("img-src 'self'", "img-src 'self' data:")
    assert not re.search(rb"<style|style=|<script>|onclick", reference.content)


def test_error_pages_name_every_code() -> None:
    page = Client().get("/docs/errors/").content.decode()
    assert all(f'id="{code}"' in page for code in PROBLEMS)


def test_documented_errors_match_the_code() -> None:
    assert error_table() in (ROOT / "docs" / "errors.md").read_text()


def links(page: Path, pattern: str) -> Iterator[tuple[Path, str]]:
    """Yield file and fragment of each link of the page to another file or to itself."""
    for link in re.findall(pattern, page.read_text()):
        if not re.match(r"https?:|mailto:", link):
            file, _, fragment = link.partition("#")
            yield ((page.parent / file).resolve() if file else page), fragment


def anchors(page: Path) -> set[str]:
    """Return the fragments of the page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_pictures_and_references_match() -> None:
    shown = {file for page in PAGES for file, _ in links(page, r"!\[[^\]]*\]\(([^)]+)\)")}
    assert shown == set((ROOT / "docs" / "pictures").iterdir())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_has_a_target(page: Path) -> None:
    for file, fragment in links(page, r"\]\(([^)]+)\)"):
        assert file.exists(), file
        assert not fragment or fragment in anchors(file), f"{file}#{fragment}"


def test_every_document_is_linked_from_an_index() -> None:
    indexes = (ROOT / "README.md", ROOT / "docs" / "decisions" / "README.md")
    linked = {file for index in indexes for file, _ in links(index, r"\]\(([^)]+)\)")}
    assert set(PAGES) - {indexes[0]} <= linked


def test_paths_named_in_documents_exist() -> None:
    folders = "apikeys|audit|benchmarks|clients|config|docs|static|templates|tenants|tests"
    missing = {
        f"{page.name}: {path}"
        for page in PAGES
        for path in re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text())
        if not (ROOT / path).exists()
    }
    assert missing == set()


def test_decisions_have_date_reason_and_alternative() -> None:
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        for decision in page.read_text().split("\n## ")[1:]:
            title = decision.partition("\n")[0]
            assert re.search(r"^\*\d{4}-\d\d-\d\d[.*]", decision, re.MULTILINE), title
            assert "\nWhy: " in decision, title
            assert "\nRejected: " in decision, title


def test_documented_settings_match_the_code() -> None:
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
