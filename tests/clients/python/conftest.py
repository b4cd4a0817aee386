"""The SDK is a separate package, imported from its source folder.

Fixtures run each test with the sync and the async client.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

SDK = Path(__file__).resolve().parents[3] / "clients" / "python"
sys.path.insert(0, str(SDK / "src"))

from keyway import AsyncClient, AsyncVerifier, Client, Verifier  # noqa: E402  needs the path above

KEY = "sk_live_" + "TestsTestsTestsTestsTestsTests12"

Connect = Callable[..., Any]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEYWAY_API_KEY", "KEYWAY_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


class Awaited:
    """Wraps an async client so that tests can call it synchronously."""

    def __init__(self, target: Any, portal: BlockingPortal) -> None:
        self._target, self._portal = target, portal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return partial(self._call, found) if callable(found) else Awaited(found, self._portal)

    def _call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        async def run() -> Any:
            outcome = method(*args, **kwargs)
            return (
                [item async for item in outcome] if hasattr(outcome, "__aiter__") else await outcome
            )

        return self._portal.call(run)


@contextmanager
def _awaited(made: Any) -> Iterator[Awaited]:
    with start_blocking_portal() as portal:
        yield Awaited(made, portal)
        portal.call(made.aclose)


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Return a factory for clients of either kind: ``connect(url, api_key=…)``."""
    with ExitStack() as stack:

        def make(url: str, **options: Any) -> Any:
            options = {"base_url": url} | ({} if "token" in options else {"api_key": KEY}) | options
            if request.param == "sync":
                return stack.enter_context(Client(**options))
            return stack.enter_context(_awaited(AsyncClient(**options)))

        yield make


@pytest.fixture(params=["sync", "async"])
def verifier(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Return a factory for verifiers of either kind: ``verifier(url)``."""
    with ExitStack() as stack:

        def make(url: str, **options: Any) -> Any:
            if request.param == "sync":
                return stack.enter_context(Verifier(base_url=url, **options))
            return stack.enter_context(_awaited(AsyncVerifier(base_url=url, **options)))

        yield make
