import pytest
from keyway_agent.errors import Misconfigured
from keyway_agent.log_time import LogClock, rfc3339


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("", "2026-11-21 04:07:34.164 UTC", "2026-11-21T04:07:34.164Z"),
        ("", "2026-11-21 04:07:34.164 GMT", "2026-11-21T04:07:34.164Z"),
        ("", "2026-11-21 01:07:38.272 -03", "2026-11-21T04:07:38.272Z"),
        ("", "2026-11-21 09:37:38.272 +0530", "2026-11-21T04:07:38.272Z"),
        ("Europe/Berlin", "2026-07-01 12:00:00.000 CEST", "2026-07-01T10:00:00.000Z"),
        ("Europe/Berlin", "2026-10-25 02:30:00.000 CEST", "2026-10-25T00:30:00.000Z"),
        ("Europe/Berlin", "2026-10-25 02:30:00.000 CET", "2026-10-25T01:30:00.000Z"),
        ("America/Chicago", "2026-11-21 04:07:34.164 CST", "2026-11-21T10:07:34.164Z"),
        ("Asia/Shanghai", "2026-11-21 04:07:34.164 CST", "2026-11-20T20:07:34.164Z"),
    ],
)
def test_log_time_is_parsed_in_its_zone(zone: str, text: str, expected: str) -> None:
    assert rfc3339(LogClock(zone).read(text)) == expected


def test_unknown_zone_abbreviation_is_refused_with_advice() -> None:
    clock = LogClock("Europe/Berlin")
    assert clock.read("2026-11-21 04:07:34.164 CET")
    with pytest.raises(Misconfigured, match="SHOW log_timezone"):
        clock.read("2026-11-21 04:07:34.164 CST")


def test_unknown_zone_is_refused() -> None:
    with pytest.raises(Misconfigured, match="not a time zone"):
        LogClock("Middle/Earth")


@pytest.mark.parametrize("text", ["2026-13-45 99:07:34.164 UTC", "2026-11-21 04:07:34.164 +99", ""])
def test_invalid_time_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        LogClock().read(text)
