"""A webhook reaches public https addresses, and nothing of the operator's own network."""

from ipaddress import ip_address, ip_network

import pytest

from audit.outbox.destinations import BadUrl, is_reachable, parse

PUBLIC = parse("https://example.com/hooks")
INSIDE = """
    127.0.0.1 127.9.9.9 0.0.0.0 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254
    100.100.100.200 100.64.0.1 192.0.0.192 168.63.129.16 198.18.0.1 224.0.0.1 239.1.1.1 240.0.0.1
    255.255.255.255 192.0.2.1 198.51.100.1 203.0.113.1
    :: ::1 fe80::1 fe80::1%1 fc00::1 fd00:ec2::254 fec0::1 ff02::1 2001::1 2001:db8::1 64:ff9b:1::1
    ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::7f00:1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
    2002:7f00:1:: 3fff::1
"""
OUTSIDE = "8.8.8.8 172.32.0.1 100.128.0.1 2606:4700:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808"


@pytest.mark.parametrize("address", INSIDE.split())
def test_address_inside_is_refused(address: str) -> None:
    assert not is_reachable(ip_address(address), PUBLIC, [])


@pytest.mark.parametrize("address", OUTSIDE.split())
def test_public_address_is_reached_by_https_only(address: str) -> None:
    assert is_reachable(ip_address(address), PUBLIC, [])
    assert is_reachable(ip_address(address), parse("https://example.com:8443/"), [])
    for url in ("http://example.com/", "https://example.com:22/", "http://example.com:443/"):
        assert not is_reachable(ip_address(address), parse(url), []), url


@pytest.mark.parametrize("url", ["http://siem.internal:8088/in", "https://siem.internal/"])
def test_allowed_network_is_reached_by_any_port(url: str) -> None:
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00:1::/64")]
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00:1::9"):
        assert is_reachable(ip_address(address), parse(url), allowed), address
    for address in ("10.2.0.1", "127.0.0.1", "fd00:2::9", "169.254.169.254"):
        assert not is_reachable(ip_address(address), parse(url), allowed), address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hooks",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https://user:password@example.com/",
        "https://user@example.com/",
        "https://example.com/#fragment",
        "https://example.com/a b",
        "https://example.com/\r\nX-Evil: 1",
        "https://exämple.com/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://example.com/" + "x" * 500,
    ],
)
def test_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        parse(url)


def test_url_is_taken_apart_once() -> None:
    parsed = parse("https://[2606:4700::1]:8443/in?token=a%20b")
    assert (parsed.host, parsed.port, parsed.target) == ("2606:4700::1", 8443, "/in?token=a%20b")
    assert (parsed.authority, parsed.origin) == (
        "[2606:4700::1]:8443",
        "https://[2606:4700::1]:8443",
    )
    assert parse("https://example.com").target == "/"
    assert parse("https://example.com?a=1").target == "/?a=1"
