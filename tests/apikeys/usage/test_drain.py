"""Draining: what a line becomes, and what happens to its segment."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from apikeys.models import SpoolSegment, UnprovenCount, UsageGap, Use, UseCount
from apikeys.usage import drain as drains
from apikeys.usage import endpoints
from apikeys.usage.drain import Drainer
from apikeys.usage.models import EPOCH, Period
from apikeys.usage.spool import segment
from apikeys.usage.spool.lines import UnprovenLine, encode
from apikeys.usage.spool.spool import Spool
from tests.apikeys.usage.drained import (
    KEY,
    NOON,
    ORGANIZATION,
    OTHER_KEY,
    SECRET,
    Write,
    counts,
    use,
)

pytestmark = pytest.mark.django_db


def test_line_becomes_a_row_and_three_counts(write: Write, drainer: Drainer) -> None:
    write(use())
    assert drainer.drain() == 1
    row = Use.objects.get()
    assert (row.at, row.key_id, row.secret_id, row.organization_id) == (
        NOON,
        KEY,
        SECRET,
        ORGANIZATION,
    )
    assert (row.endpoint, row.status, row.milliseconds) == ("GET /x", 200, 1.5)
    assert dict(UseCount.objects.values_list("period", "starts_at")) == {
        Period.HOUR: NOON.replace(minute=0),
        Period.DAY: NOON.replace(hour=0, minute=0),
        Period.EVER: EPOCH,
    }
    assert set(UseCount.objects.values_list("requests", flat=True)) == {1}


def test_second_drain_moves_only_new_lines(write: Write, drainer: Drainer, spool: Path) -> None:
    write(use(), use())
    assert drainer.drain() == 2
    write(use())
    assert Drainer(spool).drain() == 1
    assert drainer.drain() == 0
    assert Use.objects.count() == 3
    assert counts(period=Period.EVER) == {"ok": 3}


def test_outcomes_separate_errors_and_denials(write: Write, drainer: Drainer) -> None:
    write(
        use(),
        use(status=304),
        use(status=404),
        use(status=500),
        use(status=401, denial="revoked_key"),
    )
    drainer.drain()
    assert counts(period=Period.EVER) == {
        "client_error": 1,
        "ok": 2,
        "revoked_key": 1,
        "server_error": 1,
    }


def test_hours_and_days_begin_in_utc(write: Write, drainer: Drainer) -> None:
    midnight = NOON.replace(hour=0, minute=0)
    instant = timedelta(microseconds=1)
    write(
        use(midnight - instant),
        use(midnight),
        use(midnight + timedelta(hours=1) - instant),
        use(midnight + timedelta(hours=1)),
    )
    drainer.drain()
    hours = dict(UseCount.objects.filter(period=Period.HOUR).values_list("starts_at", "requests"))
    assert hours == {
        midnight - timedelta(hours=1): 1,
        midnight: 2,
        midnight + timedelta(hours=1): 1,
    }
    assert dict(
        UseCount.objects.filter(period=Period.DAY).values_list("starts_at", "requests")
    ) == {
        midnight - timedelta(days=1): 1,
        midnight: 3,
    }


def test_keys_are_counted_apart(write: Write, drainer: Drainer) -> None:
    write(use(), use(key=OTHER_KEY), use(key=OTHER_KEY))
    drainer.drain()
    assert counts(period=Period.DAY) == {"ok": 1}


def test_excess_routes_are_counted_as_other(
    write: Write, drainer: Drainer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MOST_ENDPOINTS", 3)
    write(*[use(route=f"/{number}") for number in range(10)], use(key=OTHER_KEY, route="/9"))
    drainer.drain()
    write(use(route="/0"), use(route="/new"))
    Drainer(spool).drain()
    ever = UseCount.objects.filter(period=Period.EVER)
    assert dict(ever.filter(key_id=KEY).values_list("route", "requests")) == {
        "/0": 2,
        "/1": 1,
        "/2": 1,
        endpoints.OTHER: 8,
    }
    assert ever.get(key_id=OTHER_KEY).route == "/9"
    assert Use.objects.filter(route="/new").exists()


def test_complete_segment_is_removed_with_its_row(
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


def test_torn_last_line_is_dropped(
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


def test_damaged_line_becomes_a_gap(
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
    assert "are damaged" in caplog.text


def test_foreign_file_is_set_aside(write: Write, drainer: Drainer, spool: Path) -> None:
    write(use())
    (spool / "1-1-x.seg").write_bytes(b"\0" * 500)
    assert drainer.drain() == 1
    assert (spool / "1-1-x.bad").exists()
    assert drainer.drain() == 0


def test_batches_are_bounded_and_complete(
    write: Write, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drains, "MOST_LINES", {connection.vendor: 7})
    write(*(use(NOON + timedelta(seconds=number)) for number in range(50)))
    assert drainer.drain() == 50
    assert Use.objects.values("at").distinct().count() == 50
    assert counts(period=Period.EVER) == {"ok": 50}


def test_unchanged_spool_costs_no_query(
    write: Write, drainer: Drainer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        drainer.drain()
    write(use())
    drainer.drain()
    with django_assert_num_queries(0):
        assert drainer.drain() == 0


def test_gap_grows_with_its_segment(writer: Spool, write: Write, drainer: Drainer) -> None:
    write(use())
    writer.count_lost(served=True)
    drainer.drain()
    writer.count_lost(served=True)
    writer.count_lost(served=False)
    drainer.drain()
    drainer.drain()
    gap = UsageGap.objects.get()
    assert (gap.served, gap.refused, gap.unreadable) == (2, 1, 0)
    assert gap.since < gap.until


def test_unproven_counts_add_up(write: Write, drainer: Drainer) -> None:
    write(
        *[
            UnprovenLine(29_000_000, "198.51.100.0/24", "invalid_key", requests)
            for requests in (5, 7)
        ]
    )
    drainer.drain()
    write(UnprovenLine(29_000_000, "198.51.100.0/24", "invalid_key", 1))
    drainer.drain()
    assert UnprovenCount.objects.get().requests == 13


def test_command_drains_once(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(use(), use())
    call_command("drain_usage")
    assert capsys.readouterr().out == "Drained 2 lines.\n"
    assert Use.objects.count() == 2
