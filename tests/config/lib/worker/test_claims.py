"""Whose duty it is, as the database has it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from config.lib.worker import claims, duties, lag
from config.lib.worker.models import Duty
from config.lib.worker.outage import Outage

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _duties() -> None:
    claims.ensure(["one", "other"])
    Duty.objects.filter(name="other").update(due_at=timezone.now() + MINUTE)


def claimed(by: str, **more: bool) -> list[str]:
    lasts = {"one": MINUTE, "other": MINUTE}
    return sorted(duty.name for duty in claims.claim(lasts, by=by, **more))


def expire() -> None:
    Duty.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))


def test_what_is_due_is_claimed_by_the_first_alone() -> None:
    assert claimed("a") == ["one"]
    assert claimed("b") == []
    assert claimed("b", even_if_not_due=True) == ["other"]


def test_unrenewed_claim_is_taken_over() -> None:
    claimed("a")
    assert claims.renew("one", by="a", lasts=MINUTE)
    expire()
    assert claimed("b") == ["one"]
    assert not claims.renew("one", by="a", lasts=MINUTE)
    assert not claims.keep("one", by="a", lasts=MINUTE, due_in=MINUTE)
    assert not claims.finish("one", by="a", due_in=MINUTE)
    assert not claims.fail("one", by="a", due_in=MINUTE, error="too late")
    assert not claims.release("one", by="a")
    assert Duty.objects.get(name="one").claimed_by == "b"
    assert Duty.objects.get(name="one").error == ""


def test_an_expired_claim_that_nobody_took_is_renewed() -> None:
    claimed("a")
    expire()
    assert claims.renew("one", by="a", lasts=MINUTE)
    assert claimed("b") == []


def test_success_clears_the_error_and_reschedules() -> None:
    for _ in range(2):
        Duty.objects.update(due_at=timezone.now() - MINUTE)
        claimed("a")
        claims.fail("one", by="a", due_in=MINUTE, error="x" * 900)
    failed = Duty.objects.get(name="one")
    assert (failed.failures, len(failed.error), failed.claimed_by) == (2, 500, "")
    assert failed.finished_at is None
    Duty.objects.update(due_at=timezone.now() - MINUTE)
    claimed("a")
    claims.finish("one", by="a", due_in=MINUTE)
    done = Duty.objects.get(name="one")
    assert (done.failures, done.error, done.claimed_until) == (0, "", None)
    assert done.finished_at
    assert done.due_at - done.finished_at == pytest.approx(MINUTE, abs=timedelta(seconds=1))


def test_duties_of_hosts_gone_for_a_day_are_forgotten() -> None:
    long_ago = timezone.now() - claims.FORGOTTEN_AFTER - MINUTE
    lately = timezone.now() - claims.FORGOTTEN_AFTER + MINUTE
    ours = duties.registered()[0].row_name
    for name, due_at, until in (
        ("drain_usage@gone:/spool", long_ago, None),
        ("drain_usage@killed:/spool", long_ago, long_ago),
        ("drain_usage@alive:/spool", long_ago, timezone.now() + MINUTE),
        ("drain_usage@away:/spool", lately, None),
        (ours, long_ago, None),
    ):
        Duty.objects.update_or_create(
            name=name, defaults={"due_at": due_at, "claimed_until": until}
        )
    claims.prune()
    left = set(Duty.objects.values_list("name", flat=True))
    assert left == {"one", "other", "drain_usage@alive:/spool", "drain_usage@away:/spool", ours}


def test_lag_is_zero_on_time() -> None:
    Duty.objects.create(
        name="drain_usage@web-1:/spool", due_at=timezone.now() - 2 * MINUTE, failures=3
    )
    late, failures = (family.samples for family in lag.DutyCollector().collect())
    told = {(each.labels["duty"], each.labels["place"]): each.value for each in late}
    assert told["other", ""] == 0
    # SQLite's clock has milliseconds, and cuts them off.
    assert 119 <= told["drain_usage", "web-1:/spool"] < 150
    assert [each.value for each in failures] == [3, 0, 0]


def test_lag_is_absent_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Iterator[object]:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(claims, "standings", away)
    assert list(lag.DutyCollector().collect()) == []


def test_outage_is_logged_at_its_start_and_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage()
    outage.is_over()
    for _ in range(3):
        outage.began(OperationalError("gone"))
    assert [outage.pause() for _ in range(6)] == [1, 2, 4, 8, 15, 15]
    outage.is_over()
    outage.is_over()
    assert len(caplog.records) == 2
    assert outage.pause() == 1


@pytest.mark.parametrize("name", ["", "Drain", "drain usage", "drain@host", "1st"])
def test_duty_name_fits_a_metrics_label(name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        duties.register(name, every=MINUTE, run=list)


def test_duty_is_registered_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        duties.register("prune_usage", every=MINUTE, run=list)
