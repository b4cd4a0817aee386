"""What several documents need. Servers are of the session: pytest puts tests with a browser together across modules."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.servers.keyway import KeywayServer

# `api-keys:manage` of the AgentAuri document is Keyway's own manage:api-keys (DESIGN: verb:resource). The others are the
# product's: an operator registers them.
AGENTAURI_SCOPES = (
    "triggers:read",
    "triggers:write",
    "events:read",
    "organizations:read",
    "organizations:write",
)


@pytest.fixture(scope="session")
def agentauri_keyway() -> Iterator[KeywayServer]:
    """A Keyway as it comes, with the product's scopes."""
    registered = [
        {"name": name, "title": name, "description": f"{name} of AgentAuri"}
        for name in AGENTAURI_SCOPES
    ]
    with KeywayServer(KEYWAY_SCOPES=json.dumps(registered)) as server:
        yield server


def eventually(claim: Callable[[], object], seconds: float = 120) -> Any:
    """Return what `claim` says once it says something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := claim():
            return found
        time.sleep(0.1)
    pytest.fail("it did not happen in time")
