"""Fixtures shared by the walkthroughs.

Servers have session scope, because pytest groups browser tests across modules.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.servers.keyway import KeywayServer

# Keyway names the document's `api-keys:manage` manage:api-keys (DESIGN: verb:resource). An
# operator registers the other scopes, which belong to the product.
AGENTAURI_SCOPES = (
    "triggers:read",
    "triggers:write",
    "events:read",
    "organizations:read",
    "organizations:write",
)


@pytest.fixture(scope="session")
def agentauri_keyway() -> Iterator[KeywayServer]:
    """A Keyway with default settings and the product's scopes."""
    registered = [
        {"name": name, "title": name, "description": f"{name} of AgentAuri"}
        for name in AGENTAURI_SCOPES
    ]
    with KeywayServer(KEYWAY_SCOPES=json.dumps(registered)) as server:
        yield server


def eventually(claim: Callable[[], object], seconds: float = 120) -> Any:
    """Return the first truthy value of `claim`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := claim():
            return found
        time.sleep(0.1)
    pytest.fail(f"not true within {seconds} seconds")
