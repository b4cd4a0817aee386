import pytest

from apikeys import networks


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_network_has_one_spelling(text: str, canonical: str) -> None:
    assert [str(network) for network in networks.parse([text])] == [canonical]


@pytest.mark.parametrize(
    "text", ["", "x", "192.0.2.1/24", "1.2.3", "fe80::1%eth0", "10.0.0.0/33", "١.٢.٣.٤", "1" * 100]
)
def test_malformed_network_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="Entry 2 ") as refusal:
        networks.parse(["192.0.2.0/24", text])
    assert len(text) < 3 or text not in str(refusal.value)


@pytest.mark.parametrize(
    ("allowed", "address", "is_allowed"),
    [
        ([], "198.51.100.1", True),
        ([], "", True),
        (["192.0.2.0/24"], "192.0.2.255", True),
        (["192.0.2.0/24"], "192.0.3.0", False),
        (["192.0.2.0/24"], "::ffff:192.0.2.1", True),
        (["192.0.2.0/24"], "2001:db8::1", False),
        (["2001:db8::/32"], "2001:db8:ffff::1", True),
        (["2001:db8::/32"], "32.1.13.184", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["0.0.0.0/0", "::/0"], "", False),
        (["0.0.0.0/0"], "no address", False),
        (["192.0.2.0/24", "203.0.113.5"], "203.0.113.5", True),
    ],
)
def test_caller_is_inside_or_outside(allowed: list[str], address: str, is_allowed: bool) -> None:
    assert networks.allow(networks.parse(allowed), address) is is_allowed


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        ([], [], True),
        ([], ["192.0.2.0/24"], True),
        (["192.0.2.0/24"], [], False),
        (["0.0.0.0/0", "::/0"], [], False),
        (["192.0.2.0/24"], ["192.0.2.0/25", "192.0.2.200"], True),
        (["192.0.2.0/25", "192.0.2.128/25"], ["192.0.2.0/24"], True),
        (["192.0.2.0/25"], ["192.0.2.0/24"], False),
        (["192.0.2.0/24"], ["192.0.2.0/25", "2001:db8::/32"], False),
        (["::/0"], ["192.0.2.0/24"], False),
    ],
)
def test_networks_cover_their_union(wide: list[str], narrow: list[str], covers: bool) -> None:
    assert networks.cover(networks.parse(wide), networks.parse(narrow)) is covers
