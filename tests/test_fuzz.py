"""A short run of Schemathesis, as its own program; the long one is ``python -m tests.fuzz``. And what the run itself owes."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fuzz_excuses import excuse

ROOT = Path(__file__).parents[1]
# Schemathesis changes Hypothesis for the whole process, so it has one of its own.
AS_TOLD = """
from tests.fuzz import Findings, _configure
project = _configure(7, 3, ("examples", "fuzzing")).projects.get({"info": {"title": "Keyway API"}})
assert (project.generation.max_examples, project.seed, project.workers) == (7, 3, 1)
assert project.continue_on_failure, "an operation would be left at its first failure"
phases = project.phases
assert [phase.enabled for phase in (phases.examples, phases.coverage, phases.fuzzing, phases.stateful)] == [1, 0, 1, 0]
found = Findings(variable={"GET /a", "GET /b"})
found.generated.update({"GET /a": 7, "GET /b": 6})
assert found.lacking(7) == {"GET /b": 6}
"""


@pytest.mark.slow
def test_schemathesis_finds_nothing_wrong_with_a_key_that_may_do_much() -> None:
    options = ["--sqlite", "--brief", "--seed", "1", "--examples", "2", "--kind", "managing key"]
    command = [sys.executable, "-m", "tests.fuzz", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
def test_schemathesis_does_what_it_is_told_and_less_is_a_failure() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", AS_TOLD], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ended.returncode == 0, ended.stderr


def asked(
    told: dict[str, Any], uri: str = "/", body: bytes = b"", **headers: str
) -> SimpleNamespace:
    request = SimpleNamespace(
        uri=uri,
        body=body,
        headers={name.replace("_", "-"): [value] for name, value in headers.items()},
    )
    return SimpleNamespace(
        request=request, response=SimpleNamespace(content=json.dumps(told).encode())
    )


SEVERAL = {"code": "several_credentials"}
INVISIBLE = {"name": ["Remove the invisible or control characters."]}
TIME = {"index": 0, "code": "time_too_early"}
RIGHT = {
    "several": asked(SEVERAL, X_API_Key="", Authorization="Bearer x"),
    "repeated": asked(SEVERAL, X_API_Key="a,b"),
    "cursor": asked({"code": "invalid_cursor"}, "/?cursor=x"),
    "replay": asked({"code": "idempotency_key_reused"}, Idempotency_Key="0"),
    "text": asked({"code": "validation_failed", "errors": INVISIBLE}),
    "events": asked({"code": "invalid_batch", "rejected": [TIME]}),
    "grant": asked({"error": "invalid_grant"}, body=b"code=0"),
    "client": asked({"error": "invalid_request"}, body=b"client_id=0", Authorization="Basic x"),
}
WRONG = {
    "one credential": asked(SEVERAL, X_API_Key=""),
    "no cursor": asked({"code": "invalid_cursor"}, "/?cursor=&q=x"),
    "no replay": asked({"code": "idempotency_key_reused"}),
    "another sentence": asked(
        {"code": "validation_failed", "errors": INVISIBLE | {"scopes": ["Expected `array`."]}}
    ),
    "another flaw": asked(
        {"code": "invalid_batch", "rejected": [TIME, {"index": 1, "code": "nul_character"}]}
    ),
    "no code": asked({"error": "invalid_grant"}),
    "one client": asked({"error": "invalid_request"}, Authorization="Basic x"),
    "another code": asked({"code": "malformed_body"}),
    "no problem at all": SimpleNamespace(
        request=asked({}).request, response=SimpleNamespace(content=b"<h1>")
    ),
}


@pytest.mark.parametrize("what", RIGHT)
def test_what_no_schema_can_say_is_excused_where_it_was_asked(what: str) -> None:
    assert excuse("positive_data_acceptance", RIGHT[what])
    for check in (
        "not_a_server_error",
        "status_code_conformance",
        "ignored_auth",
        "negative_data_rejection",
    ):
        assert not excuse(check, RIGHT[what])


@pytest.mark.parametrize("what", WRONG)
def test_everything_else_is_a_finding(what: str) -> None:
    assert not excuse("positive_data_acceptance", WRONG[what])
