"""The geometry of a sparkline: a column a day in a box of pixels. No colours."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

HEIGHT = 18
# A column and the gap to the next one.
COLUMN, STEP = 2, 3
_LEAST = 2


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Requests by the day they were made on, oldest first."""

    days: Mapping[datetime, int]

    @property
    def requests(self) -> int:
        return sum(self.days.values())

    @property
    def busiest(self) -> datetime:
        """The last of them, if several days had most."""
        return max(self.days, key=lambda day: (self.days[day], day))

    @property
    def width(self) -> int:
        return STEP * len(self.days) - (STEP - COLUMN)

    @property
    def height(self) -> int:
        return HEIGHT

    @property
    def columns(self) -> str:
        """All columns as one SVG path. What is there is seen, however little it is beside the rest."""
        most = max(self.days.values())
        heights = (
            max(round(HEIGHT * requests / most), _LEAST) if requests else 0
            for requests in self.days.values()
        )
        drawn = (
            f"M{STEP * day} {HEIGHT}v-{height}h{COLUMN}v{height}z"
            for day, height in enumerate(heights)
            if height
        )
        return "".join(drawn)

    @property
    def ground(self) -> str:
        """What the columns stand on: a dash a day, so that a day without requests is seen as one."""
        return "".join(
            f"M{STEP * day} {HEIGHT}h{COLUMN}v-1h-{COLUMN}z" for day in range(len(self.days))
        )
