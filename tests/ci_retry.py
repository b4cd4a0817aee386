"""Under ``CI=true`` run a failed test of a server or browser once more, and name it in the summary.

Shared machines of a CI service stall for seconds. Nowhere else is anything retried: a test that
fails now and then is mended at its cause, which ``python -m tests.repeat`` helps to find.
"""

import os

import pytest
from _pytest.runner import runtestprotocol

RETRIED = "retried"


@pytest.hookimpl
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if os.environ.get("CI") != "true" or not is_retriable(item):
        return None
    hook, place = item.ihook, {"nodeid": item.nodeid, "location": item.location}
    hook.pytest_runtest_logstart(**place)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    if any(report.failed for report in reports):
        first = next(report for report in reports if report.failed).longreprtext.splitlines()[-1]
        # Its module's fixtures too: the server may be what failed.
        item.session._setupstate.teardown_exact(item.session)  # type: ignore[arg-type]
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        for report in reports:
            report.user_properties.append((RETRIED, first))
    for report in reports:
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(**place)
    return True


def is_retriable(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("server", "browser"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        report
        for outcome in ("passed", "failed", "error")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call" or report.outcome == "failed"
    ]
    for report in reports:
        for name, first in getattr(report, "user_properties", ()):  # collections have none
            if name == RETRIED:
                terminalreporter.write_line(f"RETRIED {report.nodeid}: it failed with {first}")
