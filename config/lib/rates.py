"""Parser of ``KEYWAY_LIMIT_…``: a count per period, ``600/m`` or ``10/30s``. Empty is no limit."""

import re
from typing import NamedTuple

_FORM = re.compile(r"([1-9]\d{0,8})/([1-9]\d{0,4})?([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Rate(NamedTuple):
    quota: int
    seconds: int

    def share(self, processes: int) -> "Rate":
        """Return the share of one process among several that cannot count together.

        The shares never add up to more than the whole, except that each is at least 1.
        """
        return self._replace(quota=max(1, self.quota // processes))

    def for_allauth(self, per: str) -> str:
        return f"{self.quota}/{self.seconds}s/{per}"


def parse_rate(name: str, text: str) -> Rate | None:
    """Parse the setting `name`. Raises ValueError if it is neither empty nor a rate."""
    if not text.strip():
        return None
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise ValueError(
            f"{name}: {text!r} is not a rate. Write a count and a period, such as 600/m or 10/30s"
        )
    quota, count, unit = found.groups()
    return Rate(int(quota), int(count or 1) * _SECONDS[unit])
