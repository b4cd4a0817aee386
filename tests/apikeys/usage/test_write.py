"""write() keeps the GIL, and otherwise behaves like os.write."""

import errno
import os
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apikeys.usage.spool.write import write


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield opened
    os.close(opened)


@pytest.mark.parametrize(
    "data", [b"", b"a line\n", b"nothing \0 ends it\n", bytes(range(256)) * 4000]
)
def test_write_writes_all_bytes(data: bytes, descriptor: int, tmp_path: Path) -> None:
    assert write(descriptor, data) == len(data)
    assert (tmp_path / "file").read_bytes() == data


def test_write_raises_the_system_error(tmp_path: Path) -> None:
    reading = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OSError) as refused:
        write(reading, b"line")
    os.close(reading)
    assert refused.value.errno == errno.EBADF
    with pytest.raises(OSError) as full, Path("/dev/full").open("wb", buffering=0) as device:
        write(device.fileno(), b"line")
    assert full.value.errno == errno.ENOSPC


def test_write_returns_a_partial_count(descriptor: int) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
        assert write(descriptor, b"x" * 8) == 8
        assert write(descriptor, b"x" * 8) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)


def test_write_keeps_the_gil(descriptor: int) -> None:
    turns, stop = [0], threading.Event()

    def turn() -> None:
        while not stop.is_set():
            turns[0] += 1

    other = threading.Thread(target=turn)
    other.start()
    data, passed = b"x" * 100_000, []
    try:
        for _ in range(200):
            before = turns[0]
            write(descriptor, data)
            passed.append(turns[0] - before)
            os.ftruncate(descriptor, 0)
    finally:
        stop.set()
        other.join()
    assert sum(map(bool, passed)) < 100, "of 200; a switch between two calls is not ours"
