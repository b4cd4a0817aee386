"""Architecture rules that the import contracts of pyproject.toml cannot express."""

import ast
import fnmatch
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
APPS = ("apikeys", "audit", "tenants")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {c["id"]: c for c in PYPROJECT["tool"]["importlinter"]["contracts"]}
EDGES = [p for p in CONTRACTS["edges"]["forbidden_modules"] if p.startswith("**.")]
HTTP = (
    "django.http",
    "django.shortcuts",
    "django.urls",
    "django.views",
    "django.test",
    "django.contrib.messages",
    "django.forms",
    "django.template",
    "django.contrib.sessions",
)
# The names that edges import from apps above their own, by app and module.
UPWARD = {
    ("audit", "apikeys.api.permissions"): {"HasScope", "IsAgentKey", "IsPublicKey"},
    ("audit", "apikeys.verify.judge"): {"Credential"},
    ("tenants", "apikeys.api.permissions"): {"HasScope", "IsAgentKey"},
    ("tenants", "apikeys.verify.judge"): {"Credential"},
    ("audit", "tenants.access"): {"Access"},
    ("audit", "tenants.decorators"): {"member_page"},
    ("audit", "tenants.roles"): {"Permission"},
}


def modules() -> Iterator[str]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if ".migrations." not in name and not name.endswith("__init__"):
                yield name


def is_edge(module: str) -> bool:
    """Match wildcards like import-linter, where ``**.api`` also matches ``apikeys.api``."""
    return any(fnmatch.fnmatchcase(module, pattern.replace("**", "*")) for pattern in EDGES)


DOMAIN = [name for name in modules() if not is_edge(name)]


def imports(module: str) -> Iterator[str]:
    for node in ast.walk(
        ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text())
    ):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", DOMAIN)
def test_domain_knows_neither_http_nor_settings(module: str) -> None:
    known = list(imports(module))
    assert not [name for name in known if name.startswith(HTTP)]
    if not module.endswith(".conf"):
        assert not [name for name in known if name.startswith("django.conf")]


def test_edges_take_only_the_listed_names_from_above() -> None:
    height = {app: at for at, app in enumerate(("audit", "tenants", "apikeys"))}
    taken: dict[tuple[str, str], set[str]] = {}
    for module in modules():
        app = module.partition(".")[0]
        for name in imports(module):
            above, _, what = name.rpartition(".")
            if height.get(name.partition(".")[0], -1) > height[app]:
                taken.setdefault((app, above), set()).add(what)
    assert taken == UPWARD


def test_verification_reaches_no_forms_templates_or_sessions() -> None:
    graph = grimp.build_graph(*APPS, "config")
    room = {"apikeys.verify", *graph.find_descendants("apikeys.verify")}
    reached = room.union(*(graph.find_upstream_modules(module) for module in room))
    web = ("django.forms", "django.template", "django.shortcuts", "django.contrib.sessions")
    for module in reached:
        path = ROOT / module.replace(".", "/")
        if path.with_suffix(".py").exists():
            assert not [name for name in imports(module) if name.startswith(web)], module


def test_clients_import_nothing_of_the_server() -> None:
    for file in (ROOT / "clients").rglob("*.py"):
        names = {
            n.module or ""
            for n in ast.walk(ast.parse(file.read_text()))
            if isinstance(n, ast.ImportFrom)
        }
        is_for_django = (
            file.parent.name == "django"
        )  # the SDK's adapter for a customer's Django project
        foreign = {*APPS, "config"} if is_for_django else {*APPS, "config", "django"}
        assert not [name for name in names if name.split(".")[0] in foreign], file


# Two tables that keep the names of their migrations, and the name that Django looks for.
SHARED_NAMES = {"RefreshToken", "Command"}


def test_class_names_are_unique() -> None:
    found: dict[str, list[str]] = {}
    for app in (*APPS, "config"):
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" not in path.parts:
                for node in ast.parse(path.read_text()).body:
                    if isinstance(node, ast.ClassDef):
                        found.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    shared = {name: paths for name, paths in found.items() if len(paths) > 1}
    assert shared.keys() == SHARED_NAMES, shared
