"""Usage survives killed processes. The short run of tests/apikeys/usage/crash.py."""

import os

import pytest

from tests.apikeys.usage import crash
from tests.servers.postgres import find_binaries

SECONDS = float(os.environ.get("KEYWAY_TEST_CRASH_SECONDS", "20"))

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(find_binaries() is None, reason="needs PostgreSQL's server binaries"),
]


def test_answered_requests_are_recorded_exactly_once() -> None:
    outcome = crash.run(requests=10**9, seconds=SECONDS)
    print(outcome)
    assert set(outcome.kills) == {"worker", "drainer", "postgres"}
    assert len(outcome.answered) > 100
    assert (outcome.lost, outcome.twice, outcome.invented) == (set(), [], [])
    assert outcome.rows == outcome.rolled_up
    assert outcome.left == []
