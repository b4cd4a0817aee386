"""The time stamps of a PostgreSQL log: local time and an abbreviation that only some zones make unambiguous."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from keyway_agent.errors import Misconfigured

_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")
_UTC = frozenset({"UTC", "GMT", "Z", "UCT"})


class LogClock:
    """Reads ``2026-11-21 04:07:34.164 CET``. `zone` is the server's ``log_timezone``; without it, this machine's is tried."""

    def __init__(self, zone: str = "") -> None:
        try:
            self._zone = ZoneInfo(zone) if zone else None
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise Misconfigured(
                f"Source.TimeZone: {zone!r} is not a time zone of this machine, such as Europe/Berlin."
            ) from error

    def read(self, text: str) -> datetime:
        """Return the time in UTC. Raises ValueError for what is no time, Misconfigured for an unclear abbreviation."""
        local, _, abbreviation = text.rpartition(" ")
        return self._in_zone(datetime.fromisoformat(local), abbreviation).astimezone(UTC)

    def _in_zone(self, naive: datetime, abbreviation: str) -> datetime:
        if fixed := _fixed(abbreviation):
            return naive.replace(tzinfo=fixed)
        for fold in (0, 1):  # the hour that a clock goes through twice: the abbreviation says which
            local = naive.replace(fold=fold)
            aware = local.replace(tzinfo=self._zone) if self._zone else local.astimezone()
            if aware.tzname() == abbreviation:
                return aware
        raise Misconfigured(
            f"The log's time zone {abbreviation!r} is not clear. Set Source.TimeZone to the server's log_timezone"
            " (SHOW log_timezone), or set log_timezone to UTC there."
        )


@lru_cache(maxsize=64)
def _fixed(abbreviation: str) -> tzinfo | None:
    if abbreviation in _UTC:
        return UTC
    if match := _OFFSET.fullmatch(abbreviation):
        sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return timezone(-offset if sign == "-" else offset)
    return None


def rfc3339(time: datetime) -> str:
    """UTC to the millisecond, which is what a log line knows."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
