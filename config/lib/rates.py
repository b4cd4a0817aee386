"""The form of ``KEYWAY_LIMIT_…``: how many in how long, ``600/m``, ``10/30s``. Empty is no limit."""

import re
from typing import NamedTuple

_FORM = re.compile(r"([1-9]\d{0,8})/([1-9]\d{0,4})?([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Rate(NamedTuple):
    quota: int
    seconds: int

    def share(self, processes: int) -> "Rate":
        """The part of one process among several that cannot count together: together never more than the whole."""
        return self._replace(quota=max(1, self.quota // processes))

    def for_allauth(self, per: str) -> str:
        return f"{self.quota}/{self.seconds}s/{per}"


def parse_rate(name: str, text: str) -> Rate | None:
    """Parse the setting `name`. Raises ValueError for what is neither empty nor a rate."""
    if not text.strip():
        return None
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise ValueError(
            f"{name}: {text!r} is not a rate. Write a number, a slash and s, m, h or d: 600/m, 10/30s"
        )
    quota, count, unit = found.groups()
    return Rate(int(quota), int(count or 1) * _SECONDS[unit])
