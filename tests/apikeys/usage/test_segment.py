"""Segments, and the processes that die while they hold them."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from apikeys.usage.spool import segment
from apikeys.usage.spool.segment import HEADER_BYTES, Gap, Segment


def test_segment_is_locked_before_it_is_named(
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


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect syncs, renames and unlinks in their order."""
    found: list[str] = []
    fsync, rename, unlink = os.fsync, Path.rename, Path.unlink

    def synced(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        found.append("sync directory" if is_directory else "sync file")
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        found.append("rename")
        return rename(path, target)

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        found.append("unlink")
        unlink(path, missing_ok)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(Path, "unlink", unlinked)
    return found


def test_segment_is_on_disk_before_its_name_and_the_name_after(
    directory: Path, steps: list[str]
) -> None:
    directory.mkdir()
    Segment.create(directory, Gap()).close()
    assert steps == ["sync file", "rename", "sync directory"]


def test_removal_is_on_disk_when_it_returns(directory: Path, steps: list[str]) -> None:
    directory.mkdir()
    path = directory / "1-1-a.seg"
    path.write_bytes(b"")
    segment.remove(path)
    assert steps == ["unlink", "sync directory"]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_failed_creation_leaves_no_file_and_no_descriptor(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.mkdir()

    def full(_: Path, __: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    before = descriptors()
    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", full)
        with pytest.raises(OSError, match="full"):
            Segment.create(directory, Gap())
    assert list(directory.iterdir()) == []
    assert descriptors() == before


def test_unnamed_file_of_a_dead_process_is_swept(directory: Path) -> None:
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


def test_forked_child_releases_its_parents_segment(
    directory: Path,
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    with parent.stdout:
        output = [parent.stdout.readline().strip() for _ in range(2)]
    child = next(int(line) for line in output if line.isdigit())
    try:
        parent.wait(10)
        (name,) = segment.names(directory)
        with segment.complete(directory / name) as is_complete:
            assert is_complete
    finally:
        os.kill(child, signal.SIGKILL)


def test_header_has_a_fixed_length() -> None:
    assert len(Gap().spell()) == len(Gap(10**15, 10**15, 10**18, 10**18).spell()) == HEADER_BYTES
    assert Gap.read(Gap(1, 2, 3, 4).spell()) == Gap(1, 2, 3, 4)
    with pytest.raises(ValueError, match="not a segment"):
        Gap.read(b"\0" * HEADER_BYTES)
