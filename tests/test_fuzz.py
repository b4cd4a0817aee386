"""A short run of Schemathesis, and tests of the run itself.

``python -m tests.fuzz`` is the long run.
"""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fuzz_excuses import excuse

ROOT = Path(__file__).parents[1]
# In a process of its own, because Schemathesis changes Hypothesis for the whole process.
CONFIGURATION = """
from tests.fuzz import Findings, _configure
project = _configure(7, 3, ("examples", "fuzzing")).projects.get({"info": {"title": "Keyway API"}})
assert (project.generation.max_examples, project.seed, project.workers) == (7, 3, 1)
assert project.continue_on_failure, "an operation would be left at its first failure"
phases = project.phases
named = (phases.examples, phases.coverage, phases.fuzzing, phases.stateful)
assert [phase.enabled for phase in named] == [1, 0, 1, 0]
found = Findings(variable={"GET /a", "GET /b"})
found.generated.update({"GET /a": 7, "GET /b": 6})
assert found.lacking(7) == {"GET /b": 6}
"""


@pytest.mark.slow
def test_short_run_with_a_managing_key_finds_nothing() -> None:
    options = ["--sqlite", "--brief", "--seed", "1", "--examples", "2", "--kind", "managing key"]
    command = [sys.executable, "-m", "tests.fuzz", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
def test_configuration_reaches_schemathesis() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CONFIGURATION], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ended.returncode == 0, ended.stderr


def interaction(
    problem: dict[str, Any], uri: str = "/", body: bytes = b"", **headers: str
) -> SimpleNamespace:
    request = SimpleNamespace(
        uri=uri,
        body=body,
        headers={name.replace("_", "-"): [value] for name, value in headers.items()},
    )
    return SimpleNamespace(
        request=request, response=SimpleNamespace(content=json.dumps(problem).encode())
    )


SEVERAL = {"code": "several_credentials"}
INVISIBLE = {"name": ["Remove invisible and control characters."]}
TIME = {"index": 0, "code": "time_too_early"}
RIGHT = {
    "several": interaction(SEVERAL, X_API_Key="", Authorization="Bearer x"),
    "repeated": interaction(SEVERAL, X_API_Key="a,b"),
    "cursor": interaction({"code": "invalid_cursor"}, "/?cursor=x"),
    "replay": interaction({"code": "idempotency_key_reused"}, Idempotency_Key="0"),
    "text": interaction({"code": "validation_failed", "errors": INVISIBLE}),
    "events": interaction({"code": "invalid_batch", "rejected": [TIME]}),
    "grant": interaction({"error": "invalid_grant"}, body=b"code=0"),
    "client": interaction(
        {"error": "invalid_request"}, body=b"client_id=0", Authorization="Basic x"
    ),
}
WRONG = {
    "one credential": interaction(SEVERAL, X_API_Key=""),
    "no cursor": interaction({"code": "invalid_cursor"}, "/?cursor=&q=x"),
    "no replay": interaction({"code": "idempotency_key_reused"}),
    "another sentence": interaction(
        {"code": "validation_failed", "errors": INVISIBLE | {"scopes": ["Expected `array`."]}}
    ),
    "another flaw": interaction(
        {"code": "invalid_batch", "rejected": [TIME, {"index": 1, "code": "nul_character"}]}
    ),
    "no code": interaction({"error": "invalid_grant"}),
    "one client": interaction({"error": "invalid_request"}, Authorization="Basic x"),
    "another code": interaction({"code": "malformed_body"}),
    "no problem at all": SimpleNamespace(
        request=interaction({}).request, response=SimpleNamespace(content=b"<h1>")
    ),
}


@pytest.mark.parametrize("what", RIGHT)
def test_excuse_applies_to_its_own_request(what: str) -> None:
    assert excuse("positive_data_acceptance", RIGHT[what])
    for check in (
        "not_a_server_error",
        "status_code_conformance",
        "ignored_auth",
        "negative_data_rejection",
    ):
        assert not excuse(check, RIGHT[what])


@pytest.mark.parametrize("what", WRONG)
def test_anything_else_is_a_finding(what: str) -> None:
    assert not excuse("positive_data_acceptance", WRONG[what])
