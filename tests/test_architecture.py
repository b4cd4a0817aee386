"""What the import contracts cannot say by themselves; their lists in pyproject.toml are read here."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APPS = ("apikeys", "apikeys/oauth", "audit", "tenants")
CONTRACTS = {
    c["id"]: c
    for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
}
DOMAIN = set(CONTRACTS["edges"]["source_modules"])
EDGES = set(CONTRACTS["edges"]["forbidden_modules"])
HTTP = (
    "django.http",
    "django.shortcuts",
    "django.urls",
    "django.views",
    "django.test",
    "django.contrib.messages",
    "django.forms",
)


def modules() -> Iterator[str]:
    for app in APPS:
        for path in sorted((ROOT / app).iterdir()):
            name = path.stem
            if name not in {"__init__", "__pycache__", "migrations", "apps", "oauth"} and (
                path.suffix == ".py" or path.is_dir()
            ):
                yield f"{app}.{name}".replace("/", ".")


def imports(module: str) -> Iterator[str]:
    path = ROOT / module.replace(".", "/")
    files = path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", list(modules()))
def test_every_module_is_either_domain_or_edge(module: str) -> None:
    assert (module in DOMAIN) != (module in EDGES), "name it in pyproject.toml's import contracts"


def test_the_contracts_name_no_module_that_is_gone() -> None:
    named = {name for name in DOMAIN | EDGES if name.split(".")[0] in APPS}
    assert named <= set(modules())


def test_the_lower_apps_contracts_cover_their_whole_domain() -> None:
    for app in ("audit", "tenants"):
        assert set(CONTRACTS[app]["source_modules"]) == {
            name for name in DOMAIN if name.startswith(f"{app}.")
        }


@pytest.mark.parametrize("module", sorted(DOMAIN))
def test_the_domain_knows_neither_http_nor_settings(module: str) -> None:
    known = list(imports(module))
    assert not [name for name in known if name.startswith(HTTP)]
    if not module.endswith(".conf"):
        assert not [name for name in known if name.startswith("django.conf")]


def test_the_clients_import_nothing_of_the_server() -> None:
    for file in (ROOT / "clients").rglob("*.py"):
        names = {
            n.module or ""
            for n in ast.walk(ast.parse(file.read_text()))
            if isinstance(n, ast.ImportFrom)
        }
        is_for_django = file.parent.name == "django"  # the SDK's adapter, for other people's Django
        foreign = {*APPS, "config"} if is_for_django else {*APPS, "config", "django"}
        assert not [name for name in names if name.split(".")[0] in foreign], file
