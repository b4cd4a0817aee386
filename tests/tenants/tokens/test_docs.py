"""The commands in docs/tokens.md run as written against a real server."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from tests.servers.keyway import KeywayServer

DOCUMENT = (Path(__file__).parents[3] / "docs" / "tokens.md").read_text()
SCRIPT, ANSWER = (
    re.search(rf"```{kind}\n(.+?)```", DOCUMENT, re.DOTALL) for kind in ("sh", "json")
)

# Stands in for jq on machines without it.
JQ = """#!/bin/sh
exec python3 -c 'import json, sys; print(json.load(open(sys.argv[3]))[sys.argv[2][1:]])' "$@"
"""


@pytest.mark.server
def test_documented_commands_run(keyway: KeywayServer, tmp_path: Path) -> None:
    assert SCRIPT
    assert ANSWER
    bob = keyway.user("bob")
    if not shutil.which("jq"):
        (tmp_path / "jq").write_text(JQ)
        (tmp_path / "jq").chmod(0o700)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "KEYWAY_URL": keyway.url,
        "EMAIL": bob["email"],
        "PASSWORD": bob["password"],
    }
    done = subprocess.run(
        ["sh", "-euc", SCRIPT[1]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["email"] == bob["email"]
    for name in ("tokens.json", "next.json"):
        tokens = json.loads((tmp_path / name).read_text())
        assert set(tokens) == set(json.loads(ANSWER[1]))
        ended = requests.get(
            f"{keyway.url}/api/v1/auth/me",
            headers={"Authorization": f"Bearer {tokens['access_token']}"},
        )
        assert (ended.status_code, ended.json()["code"]) == (401, "invalid_token")
    jwks = requests.get(f"{keyway.url}/.well-known/jwks.json")
    assert len(jwks.json()["keys"]) == 1
