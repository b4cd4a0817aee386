"""Unproven presentations are counted by network, in bounded memory."""

import pytest

from apikeys.usage.spool.unproven import ELSEWHERE, MOST_NETWORKS, Counters, network


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("::ffff:198.51.100.7", "198.51.100.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_networks_are_24_and_48_bits(address: str, expected: str) -> None:
    assert network(address) == expected


def test_counters_are_bounded_and_lose_nothing() -> None:
    counters = Counters()
    for number in range(MOST_NETWORKS * 2):
        counters.add(minute=1, address=f"10.{number // 250}.{number % 250}.1", reason="invalid_key")
    taken = counters.take()
    assert len(taken) <= MOST_NETWORKS + 1
    assert sum(line.requests for line in taken) == MOST_NETWORKS * 2
    assert {line.network for line in taken} >= {ELSEWHERE}
    assert not counters
    for line in taken:
        counters.put_back(line)
    assert sum(line.requests for line in counters.take()) == MOST_NETWORKS * 2
