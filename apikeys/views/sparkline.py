"""The geometry of a sparkline, with one column per day. Colors are the stylesheet's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

HEIGHT = 18
# A column's width, and the distance between the starts of two columns.
COLUMN, STEP = 2, 3
_LEAST = 2


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Requests by day, oldest first."""

    days: Mapping[datetime, int]

    @property
    def requests(self) -> int:
        return sum(self.days.values())

    @property
    def busiest(self) -> datetime:
        """The day with the most requests. The latest one, if several share the maximum."""
        return max(self.days, key=lambda day: (self.days[day], day))

    @property
    def width(self) -> int:
        return STEP * len(self.days) - (STEP - COLUMN)

    @property
    def height(self) -> int:
        return HEIGHT

    @property
    def columns(self) -> str:
        """All columns as one SVG path. A day with any request gets a visible column."""
        most = max(self.days.values())
        heights = (
            max(round(HEIGHT * requests / most), _LEAST) if requests else 0
            for requests in self.days.values()
        )
        columns = (
            f"M{STEP * day} {HEIGHT}v-{height}h{COLUMN}v{height}z"
            for day, height in enumerate(heights)
            if height
        )
        return "".join(columns)

    @property
    def ground(self) -> str:
        """The baseline, with one dash per day, so that days without requests are visible too."""
        return "".join(
            f"M{STEP * day} {HEIGHT}h{COLUMN}v-1h-{COLUMN}z" for day in range(len(self.days))
        )
