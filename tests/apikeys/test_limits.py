"""Limits: exact, bounded, and counted alike in this process and in Redis."""

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from config.lib.limits import limiter
from config.lib.limits.rules import SLICES_A_WINDOW, Claim, Rule, Verdict
from config.lib.limits.window import Windows
from config.lib.rates import Rate, parse_rate

TEN = Rule("key", 10, 60)
START = 1_000_000.0


@pytest.fixture
def _threads_switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def burst(spend: Callable[[], Verdict], *, requests: int = 100, threads: int = 16) -> int:
    """Return how many requests of a burst were accepted."""
    accepted: list[bool] = []
    numbers = count()
    gate = threading.Barrier(threads)

    def work() -> None:
        gate.wait()
        while next(numbers) < requests:
            accepted.append(spend().is_allowed)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(accepted) == requests
    return sum(accepted)


@pytest.mark.usefixtures("_threads_switch_often")
def test_burst_of_a_hundred_passes_exactly_ten() -> None:
    for _ in range(50):
        windows = Windows()
        assert burst(partial(windows.spend, [Claim(TEN, "a")], START)) == 10


def test_subjects_are_counted_apart() -> None:
    windows = Windows()
    for subject in ("a", "b"):
        assert sum(windows.spend([Claim(TEN, subject)], START).is_allowed for _ in range(20)) == 10


def test_refused_request_spends_nothing() -> None:
    windows = Windows()
    wide = Rule("organization", 15, 60)
    both, other = [Claim(TEN, "a"), Claim(wide, "o")], [Claim(TEN, "b"), Claim(wide, "o")]
    assert sum(windows.spend(both, START).is_allowed for _ in range(100)) == 10
    assert sum(windows.spend(other, START).is_allowed for _ in range(100)) == 5
    left = {
        standing.rule.name: standing.remaining for standing in windows.spend(other, START).standings
    }
    assert left == {"key": 5, "organization": 0}


def test_spent_units_return_after_a_window() -> None:
    windows = Windows()
    claim = [Claim(TEN, "a")]
    for number in range(10):
        assert windows.spend(claim, START + number).is_allowed
    slice_seconds = TEN.seconds / SLICES_A_WINDOW
    assert not windows.spend(claim, START + 60 - 0.001).is_allowed
    assert windows.spend(claim, START + 60 + slice_seconds).is_allowed
    assert not windows.spend(claim, START + 60 + slice_seconds).is_allowed
    assert sum(windows.spend(claim, START + 10_000).is_allowed for _ in range(20)) == 10


@given(st.lists(st.floats(min_value=0, max_value=200, allow_nan=False), min_size=1, max_size=80))
def test_no_window_exceeds_the_quota(
    gaps: list[float],
) -> None:
    rule, windows, accepted, now = Rule("key", 5, 60), Windows(), [], START
    for gap in gaps:
        now += gap / 10
        verdict = windows.spend([Claim(rule, "a")], now)
        if verdict.is_allowed:
            accepted.append(now)
        else:
            assert len([at for at in accepted if at > now - 60 * 62 / 60]) >= 5
            assert verdict.standings[0].remaining == 0
            later = windows.spend([Claim(rule, "a")], now + verdict.exhausted.seconds)
            assert later.is_allowed
            now += verdict.exhausted.seconds
            accepted.append(now)
        assert 1 <= verdict.standings[0].seconds <= 61
        assert len([at for at in accepted if at > now - 60]) <= 5


def test_least_recently_used_subject_is_evicted() -> None:
    windows = Windows(most=100)
    assert not all(windows.spend([Claim(TEN, "busy")], START).is_allowed for _ in range(11))
    for number in range(1000):
        windows.spend([Claim(TEN, f"stranger {number}")], START)
        assert not windows.spend([Claim(TEN, "busy")], START).is_allowed
    assert len(windows._windows[TEN]) == 100


def test_rules_do_not_evict_each_others_subjects() -> None:
    windows = Windows(most=100)
    refused = Rule("refused", 10, 60)
    assert not all(windows.spend([Claim(TEN, "key")], START).is_allowed for _ in range(11))
    for number in range(1000):
        windows.spend([Claim(refused, f"network {number}")], START)
    assert not windows.spend([Claim(TEN, "key")], START).is_allowed


def test_process_without_redis_gets_its_share(settings: Settings) -> None:
    settings.KEYWAY_LIMITS = settings.KEYWAY_LIMITS | {"key": Rate(10, 60)}
    for processes, share in ((1, 10), (2, 5), (3, 3), (50, 1)):
        limiter.forget()
        settings.KEYWAY_PROCESSES = processes
        assert sum(limiter.spend(key="a").is_allowed for _ in range(100)) == share


def test_limit_that_is_off_is_not_counted(settings: Settings) -> None:
    settings.KEYWAY_LIMITS = settings.KEYWAY_LIMITS | {"key": None, "organization": Rate(10, 60)}
    assert [
        standing.rule.name for standing in limiter.spend(key="a", organization="o").standings
    ] == ["organization"]
    assert limiter.spend(key="a") == Verdict(is_allowed=True, standings=())


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/m", Rate(600, 60)),
        ("10/30s", Rate(10, 30)),
        (" 5/h ", Rate(5, 3600)),
        ("1/d", Rate(1, 86400)),
        ("", None),
    ],
)
def test_rate_is_parsed(text: str, rate: Rate | None) -> None:
    assert parse_rate("KEYWAY_LIMIT_KEY", text) == rate


@pytest.mark.parametrize(
    "text",
    ["600", "600/minute", "0/m", "-1/m", "6e2/m", "6/0m", "m", "6/m/ip", "٦/m", "9999999999/m"],
)
def test_malformed_rate_stops_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="KEYWAY_LIMIT_KEY"):
        parse_rate("KEYWAY_LIMIT_KEY", text)
