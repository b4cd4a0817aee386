"""Fixtures shared by the walkthroughs.

Servers have session scope, because pytest groups browser tests across modules.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.servers.keyway import KeywayServer

AGENTAURI_SCOPES = (
    "triggers:read",
    "triggers:write",
    "events:read",
    "organizations:read",
    "organizations:write",
    "api-keys:manage",
)


@pytest.fixture(scope="session")
def agentauri_keyway() -> Iterator[KeywayServer]:
    """A Keyway with default settings."""
    with KeywayServer() as server:
        yield server


def eventually(claim: Callable[[], object], seconds: float = 120) -> Any:
    """Return the first truthy value of `claim`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := claim():
            return found
        time.sleep(0.1)
    pytest.fail(f"not true within {seconds} seconds")
