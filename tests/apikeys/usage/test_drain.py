"""Each whole line exactly once, however often and by however many it is drained."""

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connection, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apikeys.models import SpoolSegment, UnprovenCount, UsageGap, Use, UseCount
from apikeys.usage import drain as drains
from apikeys.usage import endpoints, retention, segment, storage
from apikeys.usage.drain import Drainer
from apikeys.usage.lines import UnprovenLine, UseLine, encode
from apikeys.usage.models import EPOCH, Period
from apikeys.usage.spool import Spool

pytestmark = pytest.mark.django_db
KEY, OTHER_KEY, SECRET, ORGANIZATION = (uuid.UUID(int=number) for number in range(1, 5))
NOON = datetime(2025, 11, 21, 12, 30, tzinfo=UTC)


def use(at: datetime = NOON, *, key: uuid.UUID = KEY, status: int = 200, denial: str = "", route: str = "/x") -> UseLine:
    microseconds = (at - EPOCH) // timedelta(microseconds=1)
    return UseLine(
        microseconds, key.hex, SECRET.hex, ORGANIZATION.hex, "GET", route, status, denial, "127.0.0.1", "tests", 1500
    )


@pytest.fixture
def writer(spool: Path) -> Iterator[Spool]:
    made = Spool(spool, most_bytes=10**9)
    yield made
    made.close()


@pytest.fixture
def drainer(spool: Path) -> Drainer:
    return Drainer(spool)


Write = Callable[..., None]


@pytest.fixture
def write(writer: Spool) -> Write:
    def written(*lines: UseLine | UnprovenLine) -> None:
        for line in lines:
            writer.write(encode(line))

    return written


def counts(**facts: object) -> dict[str, int]:
    rows = UseCount.objects.filter(key_id=KEY, **facts).order_by("outcome")
    return {row.outcome: row.requests for row in rows}


def test_a_line_becomes_a_row_and_one_in_each_roll_up(write: Write, drainer: Drainer) -> None:
    write(use())
    assert drainer.drain() == 1
    row = Use.objects.get()
    assert (row.at, row.key_id, row.secret_id, row.organization_id) == (NOON, KEY, SECRET, ORGANIZATION)
    assert (row.endpoint, row.status, row.milliseconds) == ("GET /x", 200, 1.5)
    assert dict(UseCount.objects.values_list("period", "starts_at")) == {
        Period.HOUR: NOON.replace(minute=0),
        Period.DAY: NOON.replace(hour=0, minute=0),
        Period.EVER: EPOCH,
    }
    assert set(UseCount.objects.values_list("requests", flat=True)) == {1}


def test_draining_again_moves_only_what_is_new(write: Write, drainer: Drainer, spool: Path) -> None:
    write(use(), use())
    assert drainer.drain() == 2
    write(use())
    assert Drainer(spool).drain() == 1
    assert drainer.drain() == 0
    assert Use.objects.count() == 3
    assert counts(period=Period.EVER) == {"ok": 3}


def test_outcomes_tell_errors_and_denials_apart(write: Write, drainer: Drainer) -> None:
    write(use(), use(status=304), use(status=404), use(status=500), use(status=401, denial="revoked_key"))
    drainer.drain()
    assert counts(period=Period.EVER) == {"client_error": 1, "ok": 2, "revoked_key": 1, "server_error": 1}


def test_hours_and_days_begin_on_the_hour_and_at_midnight_utc(write: Write, drainer: Drainer) -> None:
    midnight = NOON.replace(hour=0, minute=0)
    instant = timedelta(microseconds=1)
    write(
        use(midnight - instant), use(midnight), use(midnight + timedelta(hours=1) - instant), use(midnight + timedelta(hours=1))
    )
    drainer.drain()
    hours = dict(UseCount.objects.filter(period=Period.HOUR).values_list("starts_at", "requests"))
    assert hours == {midnight - timedelta(hours=1): 1, midnight: 2, midnight + timedelta(hours=1): 1}
    assert dict(UseCount.objects.filter(period=Period.DAY).values_list("starts_at", "requests")) == {
        midnight - timedelta(days=1): 1,
        midnight: 3,
    }


def test_keys_are_counted_apart(write: Write, drainer: Drainer) -> None:
    write(use(), use(key=OTHER_KEY), use(key=OTHER_KEY))
    drainer.drain()
    assert counts(period=Period.DAY) == {"ok": 1}


def test_invented_routes_are_counted_together_once_a_key_has_enough(
    write: Write, drainer: Drainer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MOST_ENDPOINTS", 3)
    write(*[use(route=f"/{number}") for number in range(10)], use(key=OTHER_KEY, route="/9"))
    drainer.drain()
    write(use(route="/0"), use(route="/new"))
    Drainer(spool).drain()
    ever = UseCount.objects.filter(period=Period.EVER)
    assert dict(ever.filter(key_id=KEY).values_list("route", "requests")) == {"/0": 2, "/1": 1, "/2": 1, endpoints.OTHER: 8}
    assert ever.get(key_id=OTHER_KEY).route == "/9"
    assert Use.objects.filter(route="/new").exists()


def test_a_complete_segment_is_removed_with_its_row_and_an_open_one_stays(
    writer: Spool, write: Write, drainer: Drainer, spool: Path
) -> None:
    write(use())
    drainer.drain()
    (name,) = segment.names(spool)
    assert SpoolSegment.objects.get().name == name
    writer.close()
    drainer.drain()
    assert segment.names(spool) == []
    assert not SpoolSegment.objects.exists()
    assert Use.objects.count() == 1


def test_a_torn_line_at_the_end_of_a_dead_segment_is_not_a_line(
    writer: Spool, write: Write, drainer: Drainer, spool: Path
) -> None:
    write(use())
    writer.close()
    (name,) = segment.names(spool)
    with (spool / name).open("ab") as file:
        file.write(encode(use())[:-20])
    assert drainer.drain() == 1
    assert segment.names(spool) == []
    assert not UsageGap.objects.exists()


def test_a_line_that_was_not_written_so_is_a_gap_and_holds_up_nothing(
    writer: Spool, write: Write, drainer: Drainer, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(use(), use(), use())
    writer.close()
    (name,) = segment.names(spool)
    damaged = bytearray((spool / name).read_bytes())
    damaged[segment.HEADER_BYTES + len(encode(use())) + 30] ^= 1
    (spool / name).write_bytes(damaged)
    drainer.drain()
    assert Use.objects.count() == 2
    assert UsageGap.objects.get().unreadable == 1
    assert "cannot be read" in caplog.text


def test_a_file_that_is_no_segment_is_set_aside(write: Write, drainer: Drainer, spool: Path) -> None:
    write(use())
    (spool / "1-1-x.seg").write_bytes(b"\0" * 500)
    assert drainer.drain() == 1
    assert (spool / "1-1-x.bad").exists()
    assert drainer.drain() == 0


def test_batches_are_bounded_and_lose_nothing_between_them(
    write: Write, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drains, "MOST_LINES", {connection.vendor: 7})
    write(*(use(NOON + timedelta(seconds=number)) for number in range(50)))
    assert drainer.drain() == 50
    assert Use.objects.values("at").distinct().count() == 50
    assert counts(period=Period.EVER) == {"ok": 50}


@pytest.mark.parametrize("step", ["_insert", "_add", "_advance_last_used"])
def test_a_batch_that_fails_anywhere_moves_nothing_and_comes_again(
    step: str, write: Write, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(use(), use())

    def away(*_: object) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as broken:
        broken.setattr(storage, step, away)
        with pytest.raises(OperationalError):
            drainer.drain()
    assert (Use.objects.count(), UseCount.objects.count(), SpoolSegment.objects.count()) == (0, 0, 0)
    assert drainer.drain() == 2
    assert counts(period=Period.EVER) == {"ok": 2}


def test_a_drainer_killed_between_unlink_and_commit_leaves_no_line_twice(
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


def test_a_drainer_killed_between_commit_and_unlink_leaves_no_line_twice(
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


def test_whoever_finds_the_file_gone_does_not_begin_it_anew(write: Write, drainer: Drainer, spool: Path) -> None:
    write(use())
    (name,) = segment.names(spool)
    (spool / name).unlink()
    with pytest.raises(FileNotFoundError):
        drainer._move(spool / name)
    assert not SpoolSegment.objects.exists()


def test_one_segment_that_cannot_be_removed_does_not_hold_up_the_others(
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


def test_nothing_new_costs_no_query(write: Write, drainer: Drainer, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        drainer.drain()
    write(use())
    drainer.drain()
    with django_assert_num_queries(0):
        assert drainer.drain() == 0


def test_a_gap_is_kept_and_grows_with_its_segment(writer: Spool, write: Write, drainer: Drainer) -> None:
    write(use())
    writer.miss(served=True)
    drainer.drain()
    writer.miss(served=True)
    writer.miss(served=False)
    drainer.drain()
    drainer.drain()
    gap = UsageGap.objects.get()
    assert (gap.served, gap.refused, gap.unreadable) == (2, 1, 0)
    assert gap.since < gap.until


def test_unproven_counts_of_several_processes_add_up(write: Write, drainer: Drainer) -> None:
    write(*[UnprovenLine(29_000_000, "198.51.100.0/24", "invalid_key", requests) for requests in (5, 7)])
    drainer.drain()
    write(UnprovenLine(29_000_000, "198.51.100.0/24", "invalid_key", 1))
    drainer.drain()
    assert UnprovenCount.objects.get().requests == 13


def test_the_command_drains_once(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(use(), use())
    call_command("drain_usage")
    assert capsys.readouterr().out == "Drained 2 lines.\n"
    assert Use.objects.count() == 2


def test_only_one_takes_its_turn_and_another_when_that_one_is_gone(write: Write, drainer: Drainer, spool: Path) -> None:
    write(use())
    other = Drainer(spool)
    assert drainer._has_turn()
    assert not other._has_turn()
    assert drainer._has_turn()
    drainer._end_turn()
    assert other._has_turn()
    other._end_turn()


def test_an_outage_of_the_database_ends_nothing(
    write: Write, drainer: Drainer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Run in this thread, so that this test's database is the one."""
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


def test_what_is_old_is_removed_in_slices_and_totals_stay(
    write: Write, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 3)
    old, young = NOON - timedelta(days=91), NOON
    write(*[use(old)] * 10, use(young), UnprovenLine(1, "", "invalid_key", 1), UnprovenLine(29_395_000, "", "invalid_key", 1))
    drainer.drain()
    retention.prune(before=NOON - timedelta(days=90))
    assert list(Use.objects.values_list("at", flat=True)) == [young]
    assert UseCount.objects.filter(period=Period.HOUR).count() == 1
    assert UnprovenCount.objects.count() == 1
    assert counts(period=Period.EVER) == {"ok": 11}
    assert UseCount.objects.filter(period=Period.DAY).count() == 2


def test_retention_ends_at_the_exact_boundary(write: Write, drainer: Drainer) -> None:
    before = NOON.replace(minute=0) - timedelta(days=90)
    write(use(before - timedelta(microseconds=1)), use(before))
    drainer.drain()
    retention.prune(before=before)
    assert Use.objects.get().at == before
    assert UseCount.objects.get(period=Period.HOUR).starts_at == before


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="the SQLite of these tests is one connection in memory")
@pytest.mark.django_db(transaction=True)
def test_many_drainers_at_once_move_each_line_once(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    """Three writers, which end and begin segments now and then."""
    writers = [Spool(spool, most_bytes=10**9) for _ in range(3)]
    for number in range(count):
        writers[number % 3].write(encode(use(NOON + timedelta(microseconds=number))))
        if number % 500 == 0:
            writers[number // 500 % 3].close()
    for writer in writers:
        writer.close()
