"""Old rows are removed and totals stay."""

from datetime import timedelta

import pytest

from apikeys.models import UnprovenCount, Use, UseCount
from apikeys.usage import retention
from apikeys.usage.drain import Drainer
from apikeys.usage.models import Period
from apikeys.usage.spool.lines import UnprovenLine
from tests.apikeys.usage.drained import NOON, Write, counts, use

pytestmark = pytest.mark.django_db


def test_prune_removes_old_rows_and_keeps_totals(
    write: Write, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 3)
    old, young = NOON - timedelta(days=91), NOON
    write(
        *[use(old)] * 10,
        use(young),
        UnprovenLine(1, "", "invalid_key", 1),
        UnprovenLine(29_395_000, "", "invalid_key", 1),
    )
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
