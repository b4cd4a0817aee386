"""Two processes as one: they end together, and none is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers.keyway import ROOT

# Writes its process id, then ends as told: by itself after a while, or at SIGTERM.
CHILD = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(sys.argv[2])))
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(float(sys.argv[3]))
sys.exit(int(sys.argv[4]))
"""
PARENT = """
import sys
from config.lib import supervise
words = sys.argv[1:]
commands = [[sys.executable, "-c", *words[n : n + 5]] for n in range(0, len(words), 5)]
sys.exit(supervise.run(*commands))
"""
WITH_COMPANIONS = """
import os, pathlib, sys
from config.lib import supervise
child, folder = sys.argv[1:]
def command(name, seconds):
    return [sys.executable, "-c", child, str(pathlib.Path(folder, name)), "3", seconds, "9"]
log = pathlib.Path(folder).parent / "companions.log"
named = (("1", "0.1"), ("2", "600"))
companions = [supervise.Companion(command(n, s), os.environ, log) for n, s in named]
sys.exit(supervise.run(command("0", "600"), companions=companions))
"""
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(*children: tuple[int, float, int]) -> "subprocess.Popen[bytes]":
        """Each child: its status at SIGTERM, its seconds, its status after those."""
        words = [
            word
            for number, (at_term, seconds, at_end) in enumerate(children)
            for word in (
                CHILD,
                str(tmp_path / str(number)),
                str(at_term),
                str(seconds),
                str(at_end),
            )
        ]
        started.append(subprocess.Popen([sys.executable, "-c", PARENT, *words], cwd=ROOT))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()


def pids(folder: Path, count: int) -> list[int]:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        written = [path.read_text() for path in sorted(folder.iterdir())]
        if len(written) == count and all(written):
            return [int(pid) for pid in written]
        time.sleep(0.05)
    pytest.fail("the children did not start")


def gone(pid: int) -> bool:
    until = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 3), (signal.SIGHUP, 3)])
def test_signal_ends_both_with_the_first_status(
    number: signal.Signals, status: int, start: Start, tmp_path: Path
) -> None:
    parent = start((3, 600, 0), (4, 600, 0))
    children = pids(tmp_path, 2)
    parent.send_signal(number)
    assert parent.wait(30) == status
    assert all(gone(pid) for pid in children)


def test_one_end_stops_the_other_and_keeps_its_status(start: Start, tmp_path: Path) -> None:
    parent = start((0, 600, 0), (0, 1, 7))
    children = pids(tmp_path, 2)
    assert parent.wait(30) == 7
    assert all(gone(pid) for pid in children)


def test_killed_child_gives_a_shells_status(start: Start, tmp_path: Path) -> None:
    parent = start((0, 600, 0), (0, 600, 0))
    first, second = pids(tmp_path, 2)
    os.kill(second, signal.SIGKILL)
    assert parent.wait(30) == 128 + signal.SIGKILL
    assert gone(first)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child of its parent's death"
)
def test_no_child_outlives_a_supervisor_that_is_killed(start: Start, tmp_path: Path) -> None:
    parent = start((0, 600, 0), (0, 600, 0))
    children = pids(tmp_path, 2)
    parent.kill()
    parent.wait(30)
    assert all(gone(pid) for pid in children)


def test_companion_ends_alone_and_is_stopped_with_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "pids"
    folder.mkdir()
    parent = subprocess.Popen([sys.executable, "-c", WITH_COMPANIONS, CHILD, str(folder)], cwd=ROOT)
    try:
        command, short, long = pids(folder, 3)
        until = time.monotonic() + 20
        while psutil.Process(short).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.5)  # longer than the supervisor takes to look
        assert parent.poll() is None
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(30) == 3
        assert gone(command)
        assert gone(long)
    finally:
        parent.kill()
