from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.visitor import Visitor
from tests.servers.keyway import KeywayServer

Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def server() -> Iterator[KeywayServer]:
    with KeywayServer() as server:
        yield server


@pytest.fixture
def visit(browser: Browser, server: KeywayServer) -> Iterator[Visit]:
    """``visit("alice", javascript=False)`` signs alice in; ``visit()`` signs in no one."""
    with ExitStack() as stack:

        def visit(name: str = "", **context: Any) -> Visitor:
            visitor = stack.enter_context(Visitor(browser, server, **context))
            return visitor.sign_in(name) if name else visitor

        yield visit
