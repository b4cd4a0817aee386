"""A segment by itself: shared by processes that die."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from apikeys.usage.spool import segment
from apikeys.usage.spool.segment import HEADER_BYTES, Gap, Segment


def test_a_segment_is_locked_before_anybody_can_find_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.mkdir()
    seen: list[list[str]] = []
    real = fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        seen.append(segment.names(directory))
        real(descriptor, how)

    with monkeypatch.context() as watched:
        watched.setattr(fcntl, "flock", flock)
        made = Segment.create(directory, Gap())
    assert seen == [[]]
    assert segment.names(directory) == [made.path.name]
    made.close()


def test_what_a_killed_process_could_not_name_is_swept_away_later(directory: Path) -> None:
    directory.mkdir()
    fresh, old = directory / "1-1-a.new", directory / "2-2-b.new"
    for path in (fresh, old):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    segment.sweep(directory)
    assert [path.name for path in directory.iterdir()] == [fresh.name]


CHILD = """
import os, sys, pathlib, time
from apikeys.usage.spool.spool import Spool
spool = Spool(pathlib.Path(sys.argv[1]), most_bytes=10**9)
spool.write(b"parent\\n")
child = os.fork()
if not child:
    spool.abandon()
    os.write(1, b"forked\\n")
    time.sleep(60)
os.write(1, b"%d\\n" % child)
os.kill(os.getpid(), 9)
"""


def test_a_fork_that_lives_on_does_not_hold_the_segment_of_its_killed_parent(
    directory: Path,
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    with parent.stdout:
        told = [parent.stdout.readline().strip() for _ in range(2)]
    child = next(int(line) for line in told if line.isdigit())
    try:
        parent.wait(10)
        (name,) = segment.names(directory)
        with segment.complete(directory / name) as is_complete:
            assert is_complete
    finally:
        os.kill(child, signal.SIGKILL)


def test_the_first_line_has_a_fixed_length() -> None:
    assert len(Gap().spell()) == len(Gap(10**15, 10**15, 10**18, 10**18).spell()) == HEADER_BYTES
    assert Gap.read(Gap(1, 2, 3, 4).spell()) == Gap(1, 2, 3, 4)
    with pytest.raises(ValueError, match="not a segment"):
        Gap.read(b"\0" * HEADER_BYTES)
