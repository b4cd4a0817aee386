"""Keyway's answers to verifications, as a scripted server sends them, and helpers to verify."""

from typing import Any

import pytest
from keyway import Denied, Incoming

from tests.clients.python.scripted import Reply, problem

YES = {
    "X-Keyway-Organization": "org_1",
    "X-Keyway-Key": "key_1",
    "X-Keyway-Kind": "public",
    "X-Keyway-Environment": "live",
    "X-Keyway-Scopes": "read:audit-activity read:reports",
    "X-Keyway-Owner": "usr_1",
}
YES_TO_TOKEN = {name: value for name, value in YES.items() if name != "X-Keyway-Key"} | {
    "X-Keyway-Application": "app_1"
}
TOKEN = "oat_" + "TestsTestsTestsTestsTestsTestsTestsTestsTests1234"


def denial(status: int, code: str, **headers: str) -> Reply:
    return problem(status, code, headers={"X-Keyway-Denial": code, **headers})


def refusal(verifier: Any, presented: Any, **requirements: str) -> Denied:
    with pytest.raises(Denied) as denied:
        verifier.verify(presented, **requirements)
    return denied.value


def with_token(token: str, **facts: Any) -> Incoming:
    return Incoming(authorization=f"Bearer {token}", **facts)
