"""Each whole line exactly once, through failures, kills and concurrent drainers."""

import threading
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.utils import timezone

from apikeys.models import SpoolSegment, Use, UseCount
from apikeys.usage import drain as drains
from apikeys.usage import storage
from apikeys.usage.drain import Drainer
from apikeys.usage.models import Period
from apikeys.usage.spool import segment
from apikeys.usage.spool.lines import encode
from apikeys.usage.spool.spool import Spool
from tests.apikeys.usage.drained import NOON, OTHER_KEY, Write, counts, use

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("step", ["_insert", "_add", "_advance_last_used"])
def test_failed_batch_moves_nothing_and_is_retried(
    step: str, write: Write, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(use(), use())

    def away(*_: object) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as broken:
        broken.setattr(storage, step, away)
        with pytest.raises(OperationalError):
            drainer.drain()
    assert (Use.objects.count(), UseCount.objects.count(), SpoolSegment.objects.count()) == (
        0,
        0,
        0,
    )
    assert drainer.drain() == 2
    assert counts(period=Period.EVER) == {"ok": 2}


def test_kill_between_unlink_and_commit_doubles_no_line(
    writer: Spool, write: Write, drainer: Drainer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(use())
    writer.close()

    def killed(_: SpoolSegment) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(SpoolSegment, "delete", killed)
        with pytest.raises(KeyboardInterrupt), transaction.atomic():
            drainer.drain()
    assert segment.names(spool) == []
    assert Drainer(spool).drain() == 0


def test_kill_between_commit_and_unlink_doubles_no_line(
    writer: Spool, write: Write, drainer: Drainer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(use())
    writer.close()

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(segment, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            drainer.drain()
    assert Use.objects.count() == 1
    assert Drainer(spool).drain() == 0
    assert (Use.objects.count(), segment.names(spool)) == (1, [])


def test_missing_file_leaves_no_row(write: Write, drainer: Drainer, spool: Path) -> None:
    write(use())
    (name,) = segment.names(spool)
    (spool / name).unlink()
    with pytest.raises(FileNotFoundError):
        drainer._move(spool / name)
    assert not SpoolSegment.objects.exists()


def test_line_written_just_before_its_writer_left_is_moved(
    writer: Spool, write: Write, drainer: Drainer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(use())
    real = segment.complete

    def complete(path: Path) -> AbstractContextManager[bool]:
        monkeypatch.setattr(segment, "complete", real)
        write(use(NOON + timedelta(seconds=1)))
        writer.close()
        return real(path)

    monkeypatch.setattr(segment, "complete", complete)
    assert drainer.drain() + Drainer(spool).drain() == 2
    assert Use.objects.count() == 2
    assert segment.names(spool) == []


def test_unremovable_segment_does_not_block_others(
    writer: Spool, write: Write, drainer: Drainer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(use())
    writer.close()
    write(use(key=OTHER_KEY))

    def read_only(_: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(segment, "remove", read_only)
    for _ in range(2):
        with pytest.raises(OSError, match="Read-only"):
            drainer.drain()
    assert Use.objects.count() == 2


def test_one_drainer_at_a_time_has_the_turn(write: Write, drainer: Drainer, spool: Path) -> None:
    write(use())
    other = Drainer(spool)
    assert drainer._has_turn()
    assert not other._has_turn()
    assert drainer._has_turn()
    drainer._end_turn()
    assert other._has_turn()
    other._end_turn()


def test_drainer_survives_a_database_outage(
    write: Write,
    drainer: Drainer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Runs in this thread, to use the test's own database."""
    write(use(timezone.now()))
    outcomes: list[type[Exception] | None] = [OperationalError, DatabaseError, None]
    real, stop = drainer.drain, threading.Event()

    def drain() -> int:
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome("the server closed the connection")
        stop.set()
        return real()

    monkeypatch.setattr(drainer, "drain", drain)
    monkeypatch.setattr(drains, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(connection, "close", lambda: None)
    drainer.run(stop)
    assert outcomes == []
    assert Use.objects.count() == 1
    assert caplog.text.count("stays in the spool") == 2


@pytest.mark.skipif(
    "connection.vendor != 'postgresql'",
    reason="the SQLite of these tests is one connection in memory",
)
@pytest.mark.django_db(transaction=True)
def test_concurrent_drainers_move_each_line_once(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drains, "MOST_LINES", {"postgresql": 50})
    failures: list[BaseException] = []

    def drain() -> None:
        try:
            while Use.objects.count() < 3000:
                Drainer(spool).drain()
        except (DatabaseError, OSError) as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=drain) for _ in range(4)]
    for thread in threads:
        thread.start()
    write_in_turns(spool, 3000)
    for thread in threads:
        thread.join()
    Drainer(spool).drain()
    assert failures == []
    assert (Use.objects.count(), Use.objects.values("at").distinct().count()) == (3000, 3000)
    assert counts(period=Period.EVER) == {"ok": 3000}
    assert SpoolSegment.objects.count() == 0
    assert list(spool.iterdir()) == []


def write_in_turns(spool: Path, count: int) -> None:
    """Write through three writers, which start a new segment now and then."""
    writers = [Spool(spool, most_bytes=10**9) for _ in range(3)]
    for number in range(count):
        writers[number % 3].write(encode(use(NOON + timedelta(microseconds=number))))
        if number % 500 == 0:
            writers[number // 500 % 3].close()
    for writer in writers:
        writer.close()
