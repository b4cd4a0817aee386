"""The Node SDK: its tests under Node, against a live Keyway, as an npm package, and its README."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.clients.node import programs
from tests.clients.node.programs import HERE, PACKAGE
from tests.servers.keyway import KeywayServer

pytestmark = pytest.mark.server

LIVE = "live.test.mjs"
TESTS = sorted(path.name for path in HERE.glob("*.test.mjs") if path.name != LIVE)
README = (PACKAGE / "README.md").read_text()


@pytest.fixture(scope="module")
def server() -> Iterator[KeywayServer]:
    """Start a separate server, because the tests send events and issue keys."""
    with KeywayServer() as server:
        yield server


@pytest.fixture(scope="module")
def managing_key(server: KeywayServer) -> str:
    """Issue a key of alice's with the scope to manage keys."""
    alice = server.user("alice")
    login = {"email": alice["email"], "password": alice["password"]}
    token = requests.post(f"{server.url}/api/v1/auth/login", json=login, timeout=20).json()[
        "access_token"
    ]
    order = {"name": "Provisioning", "scopes": ["manage:api-keys", "read:audit-activity"]}
    bearer = {"Authorization": f"Bearer {token}"}
    return str(
        requests.post(
            f"{server.url}/api/v1/api-keys", json=order, headers=bearer, timeout=20
        ).json()["key"]
    )


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", TESTS)
def test_sdk_by_itself(name: str) -> None:
    programs.run(programs.node(), "--test", HERE / name, cwd=HERE)


def test_sdk_against_a_live_keyway(server: KeywayServer, managing_key: str) -> None:
    environment = {
        "KEYWAY_BASE_URL": server.url,
        "SEED": json.dumps(server.seed),
        "MANAGING_KEY": managing_key,
    }
    programs.run(programs.node(), "--test", HERE / LIVE, cwd=HERE, **environment)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the packed SDK offline into an empty folder."""
    packed, folder = tmp_path_factory.mktemp("packed"), tmp_path_factory.mktemp("installed")
    name = programs.run(
        programs.npm(), "pack", "--silent", "--pack-destination", packed, cwd=PACKAGE
    ).split()[-1]
    (folder / "package.json").write_text('{"private": true}')
    quiet = ("--offline", "--no-audit", "--no-fund")
    programs.run(programs.npm(), "install", *quiet, packed / name, cwd=folder)
    return folder


@pytest.mark.slow
def test_package_contains_only_what_it_needs(installation: Path) -> None:
    modules = installation / "node_modules"
    assert [path.name for path in modules.iterdir() if not path.name.startswith(".")] == ["@keyway"]
    package = modules / "@keyway" / "sdk"
    assert {path.name for path in package.iterdir()} == {
        "LICENSE",
        "package.json",
        "README.md",
        "src",
        "types",
    }
    assert "dependencies" not in json.loads((package / "package.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "opening"),
    [
        ("program.mjs", 'import { Client, Keyway } from "@keyway/sdk";'),
        ("program.cjs", 'const { Client, Keyway } = require("@keyway/sdk");'),
    ],
)
def test_package_can_be_imported_and_required(
    server: KeywayServer, installation: Path, name: str, opening: str
) -> None:
    program = (
        f"{opening} new Client().whoami().then((me) => console.log(me.kind, Client === Keyway));"
    )
    (installation / name).write_text(program)
    secret = server.key(kind="agent", environment="live")["secret"]
    printed = programs.run(
        programs.node(), name, cwd=installation, KEYWAY_BASE_URL=server.url, KEYWAY_API_KEY=secret
    )
    assert printed == "agent true\n"


@pytest.mark.slow
def test_type_declarations_match_the_sources() -> None:
    programs.run(programs.node(), _tsc(), "-p", PACKAGE, cwd=PACKAGE)


@pytest.mark.slow
def test_package_is_typed_for_import_and_require(installation: Path) -> None:
    """The @ts-expect-error lines check that incorrect use does not compile."""
    names = ("use.mts", "use.cts")
    for name in names:
        shutil.copy(HERE / "use.mts", installation / name)
    options = (
        "--strict",
        "--noEmit",
        "--skipDefaultLibCheck",
        "--module",
        "node16",
        "--target",
        "es2022",
        "--lib",
        "es2022,dom",
    )
    programs.run(programs.node(), _tsc(), *options, *names, cwd=installation)


def _tsc() -> Path:
    return programs.installed(PACKAGE) / "node_modules" / "typescript" / "bin" / "tsc"


@pytest.mark.parametrize("folder", [PACKAGE, HERE / "axios"])
def test_lock_files_name_no_registry(folder: Path) -> None:
    text = (folder / "package-lock.json").read_text()
    assert '"integrity"' in text
    assert '"resolved"' not in text


def test_readme_code_runs(server: KeywayServer, managing_key: str, tmp_path: Path) -> None:
    (tmp_path / "node_modules" / "@keyway").mkdir(parents=True)
    (tmp_path / "node_modules" / "@keyway" / "sdk").symlink_to(PACKAGE)
    for number, block in enumerate(blocks("js")):
        program = tmp_path / f"block{number}.mjs"
        program.write_text(block)
        # A test-environment key for the agent block: another test counts the live events.
        agent = server.key(kind="agent", environment="test")["secret"]
        secret = agent if "agent }" in block else managing_key
        environment = {"KEYWAY_BASE_URL": server.url, "KEYWAY_API_KEY": secret}
        assert programs.run(programs.node(), program, cwd=tmp_path, **environment)


def test_readme_documents_every_option_and_error() -> None:
    declared = (PACKAGE / "types" / "index.d.ts").read_text()
    options = re.search(r"interface KeywayOptions \{(.*?)\n\}", declared, re.DOTALL)
    assert options
    named = set(re.findall(r"^\| `([a-z]\w+)` \|", README, re.MULTILINE))
    assert named == set(re.findall(r"^  (\w+)\?:", options[1], re.MULTILINE))
    errors = set(re.findall(r"class (\w+Error) ", declared))
    assert errors - {"KeywayError"} <= set(re.findall(r"`(\w+)`", README))
