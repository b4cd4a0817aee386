"""The spool: whole lines or none, bounded, and a count of the requests it could not take."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from apikeys.usage.spool import segment, write
from apikeys.usage.spool import spool as spools
from apikeys.usage.spool.lines import UseLine, decode, encode
from apikeys.usage.spool.spool import Spool, SpoolFailed

PLENTY = 10**9


def use(number: int = 0) -> UseLine:
    ids = "1" * 32, "2" * 32, "3" * 32
    return UseLine(number, *ids, "GET", "/x", 200, "", "127.0.0.1", "tests", 1)


def lines(directory: Path) -> list[bytes]:
    found = []
    for name in segment.names(directory):
        found += [
            line for line in segment.read(directory / name, 0, most_lines=10**6).lines if line
        ]
    return found


def numbers(directory: Path) -> list[int]:
    decoded = [decode(line) for line in lines(directory)]
    return [line.at for line in decoded if isinstance(line, UseLine)]


@pytest.fixture
def opened(directory: Path) -> Iterator[Callable[..., Spool]]:
    made: list[Spool] = []

    def make(most_bytes: int = PLENTY) -> Spool:
        made.append(Spool(directory, most_bytes=most_bytes))
        return made[-1]

    yield make
    for spool in made:
        spool.close()


def test_lines_are_read_back_in_order(opened: Callable[..., Spool], directory: Path) -> None:
    spool = opened()
    for number in range(100):
        spool.write(encode(use(number)))
    assert numbers(directory) == list(range(100))


def test_threads_never_mix_their_lines(opened: Callable[..., Spool], directory: Path) -> None:
    spool = opened()

    def write(first: int) -> None:
        for number in range(first, first + 500):
            spool.write(encode(use(number)))

    threads = [threading.Thread(target=write, args=[first]) for first in range(0, 4000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers(directory)) == list(range(4000))


def test_rotated_segment_is_complete_once_synced(
    opened: Callable[..., Spool], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 1000)
    spool = opened()
    for number in range(30):
        spool.write(encode(use(number)))
    names = segment.names(directory)
    assert len(names) > 3
    spool.sync()
    assert numbers(directory) == list(range(30))
    for name in names:
        with segment.complete(directory / name) as is_complete:
            assert is_complete == (name != names[-1])


def test_retired_segment_is_synced_before_it_is_complete(
    opened: Callable[..., Spool], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, real = opened(), segment.Segment.sync
    spool.write(encode(use()))
    (name,) = segment.names(directory)
    seen: list[bool] = []

    def sync(self: segment.Segment) -> None:
        with segment.complete(directory / name) as is_complete:
            seen.append(is_complete)
        real(self)

    monkeypatch.setattr(segment.Segment, "sync", sync)
    spool.close()
    assert seen == [False]


def test_line_written_during_a_sync_is_synced_by_the_next(
    opened: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, synced = opened(), []

    def sync(_: segment.Segment) -> None:
        synced.append(1)
        if len(synced) == 1:
            spool.write(encode(use(2)))

    monkeypatch.setattr(segment.Segment, "sync", sync)
    spool.write(encode(use(1)))
    for _ in range(3):
        spool.sync()
    assert len(synced) == 2


@pytest.mark.parametrize("part", [1, 50, -1])
def test_partial_line_is_cut_off(
    part: int, opened: Callable[..., Spool], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, real = opened(), write.write
    spool.write(encode(use(1)))
    monkeypatch.setattr(spools, "RETRY_SECONDS", 3600)
    with monkeypatch.context() as full:
        full.setattr(segment, "write", lambda descriptor, line: real(descriptor, line[:part]))
        with pytest.raises(SpoolFailed):
            spool.write(encode(use(2)))
    assert numbers(directory) == [1]
    assert not spool.has_room()
    monkeypatch.setattr(spools, "RETRY_SECONDS", 0)
    time.sleep(spools.LOOK_SECONDS)
    assert spool.has_room()
    spool.write(encode(use(3)))
    assert numbers(directory) == [1, 3]
    assert len(segment.names(directory)) == 1


def test_spoiled_segment_is_never_appended_to(
    opened: Callable[..., Spool], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, real = opened(), write.write
    spool.write(encode(use(1)))

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as broken:
        broken.setattr(segment, "write", lambda descriptor, line: real(descriptor, line[:50]))
        broken.setattr(os, "ftruncate", refuse)
        with pytest.raises(SpoolFailed):
            spool.write(encode(use(2)))
    time.sleep(spools.RETRY_SECONDS)
    spool.write(encode(use(3)))
    assert len(segment.names(directory)) == 2
    assert numbers(directory) == [1, 3]


def test_undo_never_cuts_the_line_of_another_thread(
    opened: Callable[..., Spool], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, real = opened(), write.write
    spool.write(encode(use(1)))
    answered: list[int] = []

    def other() -> None:
        with suppress(SpoolFailed):
            spool.write(encode(use(3)))
            answered.append(3)

    thread = threading.Thread(target=other)

    def part(descriptor: int, line: bytes) -> int:
        monkeypatch.setattr(segment, "write", real)
        written = real(descriptor, line[:10])
        thread.start()
        thread.join(0.2)
        return written

    monkeypatch.setattr(segment, "write", part)
    with pytest.raises(SpoolFailed):
        spool.write(encode(use(2)))
    thread.join()
    assert numbers(directory) == [1, *answered]


def test_full_spool_has_room_after_a_drain(opened: Callable[..., Spool], directory: Path) -> None:
    spool = opened(most_bytes=64 * 1024)
    written = 0
    while spool.has_room():
        spool.write(encode(use(written)))
        written += 1
        assert written < 10_000
        time.sleep(0.0005)
    assert numbers(directory) == list(range(written))
    spool.sync()
    for name in segment.names(directory):
        with segment.complete(directory / name) as is_complete:
            assert is_complete, "a full spool must be drainable to the last byte"
        segment.remove(directory / name)
    time.sleep(spools.LOOK_SECONDS)
    assert spool.has_room()


def test_spool_filled_by_others_releases_our_segment(
    opened: Callable[..., Spool], directory: Path
) -> None:
    spool = opened(most_bytes=64 * 1024)
    spool.write(encode(use()))
    (directory / "of-another.process").write_bytes(b"x" * 64 * 1024)
    time.sleep(spools.LOOK_SECONDS)
    assert not spool.has_room()
    spool.sync()
    (name,) = segment.names(directory)
    with segment.complete(directory / name) as is_complete:
        assert is_complete


def test_warning_is_logged_once_at_four_fifths(
    opened: Callable[..., Spool], directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(most_bytes=100_000)
    spool.write(encode(use()))
    (directory / "of-another-process.seg").write_bytes(b"x" * 81_000)
    for _ in range(3):
        time.sleep(spools.LOOK_SECONDS)
        assert spool.has_room()
    assert len([record for record in caplog.records if "100000 bytes" in record.getMessage()]) == 1


def test_lost_requests_are_counted_in_the_segment(
    opened: Callable[..., Spool], directory: Path
) -> None:
    spool = opened()
    spool.write(encode(use(1)))
    for served in (True, True, False):
        spool.count_lost(served=served)
    spool.write(encode(use(2)))
    (name,) = segment.names(directory)
    gap = segment.read(directory / name, 0, most_lines=9).gap
    assert (gap.served, gap.refused) == (2, 1)
    assert 0 < gap.since <= gap.until
    assert numbers(directory) == [1, 2]


def test_loss_without_a_segment_is_carried_over(
    opened: Callable[..., Spool], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.write_text("a file where the directory should be")
    spool = opened()
    with pytest.raises(SpoolFailed):
        spool.write(encode(use(1)))
    for _ in range(3):
        spool.count_lost(served=True)
    directory.unlink()
    time.sleep(spools.RETRY_SECONDS)
    assert spool.has_room()
    (name,) = segment.names(directory)
    assert segment.read(directory / name, 0, most_lines=9).gap.served == 3


def test_full_spool_opens_no_further_segments(
    opened: Callable[..., Spool], directory: Path
) -> None:
    spool = opened(most_bytes=64 * 1024)
    while spool.has_room():
        spool.write(encode(use()))
    before = len(segment.names(directory))
    for _ in range(5):
        assert not spool.has_room()
        spool.count_lost(served=False)
        time.sleep(spools.LOOK_SECONDS)
    assert len(segment.names(directory)) <= before + 1


def test_loss_on_a_read_only_disk_is_carried_over(
    opened: Callable[..., Spool], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened()
    spool.write(encode(use(1)))

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", read_only)
        spool.count_lost(served=True)
    spool.close()
    time.sleep(spools.RETRY_SECONDS)
    spool.write(encode(use(2)))
    assert [segment.look(directory / name)[1].served for name in segment.names(directory)] == [0, 1]
