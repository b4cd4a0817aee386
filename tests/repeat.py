"""Run each test many times by itself, and print how often it passed.

``python -m tests.repeat`` takes the tests of servers, browsers, clocks and threads; name files or
tests to take those instead. ``--load`` keeps every core busy meanwhile. A test has a process of its
own, which makes all but the fixtures of the session again for each run. Failures are kept in
var/repeat/. Behind ``python -m tests.servers.postgres --`` tests run on PostgreSQL.
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "var" / "repeat"
MOST_SECONDS = 4 * 3600
MARKED = "server or browser or slow"
# Tests of clocks and threads have no marker: take the files that speak of them.
CLOCKS_AND_THREADS = re.compile(
    r"timezone\.now|time\.(time|sleep|monotonic)|threading|ThreadPool|stopped_clock"
)
BUSY = "while True: pass"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--times", type=int, default=0, help="run each test so often (tests.repeat)")
    parser.addoption("--outcomes", type=Path, help="write what came of it to this file")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    if not (times := item.config.getoption("times")):
        return None
    failures, skipped = [], 0
    for _ in range(times):
        # As if no test of its module followed: module fixtures, servers above all, are torn down.
        reports = runtestprotocol(item, log=False, nextitem=item.session)  # type: ignore[arg-type]
        failures += [report.longreprtext for report in reports if report.failed][:1]
        skipped += any(report.skipped for report in reports)
    outcomes = {"failures": failures, "skipped": skipped}
    item.config.getoption("outcomes").write_text(json.dumps(outcomes))
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.repeat", description=__doc__)
    parser.add_argument("tests", nargs="*", help="files or tests; without any, the ones above")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--load", action="store_true", help="keep every core busy")
    asked = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    tests = collect(*asked.tests) if asked.tests else selection()
    with load() if asked.load else contextlib.nullcontext():
        passed = [repeat(test, asked.times, "busy" if asked.load else "idle") for test in tests]
    print(f"{sum(passed)} of {len(tests)} tests passed every time.")
    return 0 if all(passed) and tests else 1


def selection() -> list[str]:
    files = (str(file) for file in ROOT.glob("tests/**/test_*.py"))
    chosen = [file for file in files if CLOCKS_AND_THREADS.search(Path(file).read_text())]
    return sorted({*collect("-m", MARKED), *collect(*chosen)})


def collect(*arguments: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:randomly"]
    told = subprocess.run(
        [*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = [line for line in told.stdout.splitlines() if "::" in line]
    if not names:
        sys.exit(told.stdout + told.stderr)
    return names


@contextlib.contextmanager
def load() -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 2)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def repeat(test: str, times: int, machine: str) -> bool:
    name = re.sub(r"[^\w-]+", "-", test)[-150:]
    outcomes, log, began = KEPT / f"{name}.json", KEPT / f"{name}.txt", time.time()
    outcomes.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "tests.repeat", test]
    with log.open("w") as output, contextlib.suppress(subprocess.TimeoutExpired):
        command += ["--times", str(times), "--outcomes", str(outcomes)]
        subprocess.run(
            command, cwd=ROOT, stdout=output, stderr=output, check=False, timeout=MOST_SECONDS
        )
    if outcomes.exists():
        found = json.loads(outcomes.read_text())
        passed, skipped = times - len(found["failures"]), found["skipped"]
        log.write_text("\n\n".join(found["failures"]))
    else:
        passed, skipped = 0, 0
    hour, minutes = time.strftime("%H:%M", time.localtime(began)), (time.time() - began) / 60
    told = f"{passed}/{times} {machine} {hour} {minutes:.1f} min {test}"
    print(f"{told} (skipped)" if skipped else told, flush=True)
    return passed == times


if __name__ == "__main__":
    sys.exit(main())
