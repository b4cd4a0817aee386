"""Parse PostgreSQL's log time stamps: local time and a zone abbreviation, often ambiguous."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from keyway_agent.errors import Misconfigured

_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")
_UTC = frozenset({"UTC", "GMT", "Z", "UCT"})


class LogClock:
    """Parse time stamps such as ``2026-11-21 04:07:34.164 CET``.

    `zone` is the server's ``log_timezone``; without it, this machine's zone is tried.
    """

    def __init__(self, zone: str = "") -> None:
        try:
            self._zone = ZoneInfo(zone) if zone else None
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise Misconfigured(
                f"Source.TimeZone: {zone!r} is not a time zone this machine knows."
                " Use a name such as Europe/Berlin."
            ) from error

    def read(self, text: str) -> datetime:
        """Return the time in UTC.

        Raises ValueError if the text is not a time, Misconfigured if the abbreviation is ambiguous.
        """
        local, _, abbreviation = text.rpartition(" ")
        return self._in_zone(datetime.fromisoformat(local), abbreviation).astimezone(UTC)

    def _in_zone(self, naive: datetime, abbreviation: str) -> datetime:
        if fixed := _fixed(abbreviation):
            return naive.replace(tzinfo=fixed)
        # When clocks go back an hour occurs twice; the abbreviation says which one is meant.
        for fold in (0, 1):
            local = naive.replace(fold=fold)
            aware = local.replace(tzinfo=self._zone) if self._zone else local.astimezone()
            if aware.tzname() == abbreviation:
                return aware
        # Never guess: a wrong zone would shift every event by hours, and an id contains the time.
        raise Misconfigured(
            f"The log's time zone {abbreviation!r} is ambiguous. Set Source.TimeZone to the"
            " server's log_timezone (SHOW log_timezone), or set log_timezone to UTC on the server."
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
    """Format as RFC 3339, in UTC, to the millisecond: the precision of the log."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
