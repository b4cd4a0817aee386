"""The geometry of a usage chart: stacked columns in abstract units, which the page scales.

Colors and text belong to the stylesheet and the template.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from apikeys.usage.statistics import Bar

HEIGHT = 100
COLUMN = 10
_GAP = 1.5
# The least height of a part, so that a single request stays visible beside thousands.
_LEAST = 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle. Its numbers are formatted for SVG."""

    kind: str
    x: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    bar: Bar
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Chart:
    bars: Sequence[Bar]
    labels: int

    @property
    def width(self) -> int:
        return COLUMN * len(self.bars)

    @property
    def column_width(self) -> str:
        return f"{COLUMN - 2 * _GAP:g}"

    @property
    def top(self) -> int:
        """The value at the top of the axis: round, even, and at least the highest column."""
        return round_up(max(bar.figures.requests for bar in self.bars))

    @property
    def ticks(self) -> tuple[int, int, int]:
        return self.top, self.top // 2, 0

    @property
    def starts(self) -> list[datetime]:
        """The labelled columns: the first of each of `labels` equal parts."""
        return [bar.starts_at for bar in self.bars[:: len(self.bars) // self.labels]]

    @property
    def columns(self) -> list[Column]:
        return [Column(bar, list(self._stack(number, bar))) for number, bar in enumerate(self.bars)]

    def _stack(self, number: int, bar: Bar) -> Iterator[Part]:
        figures, y = bar.figures, float(HEIGHT)
        for kind, requests in (
            ("ok", figures.ok),
            ("error", figures.errors),
            ("denied", figures.denied),
        ):
            if requests:
                height = max(HEIGHT * requests / self.top, _LEAST)
                y -= height
                yield Part(kind, f"{number * COLUMN + _GAP:g}", f"{max(y, 0):.2f}", f"{height:.2f}")


def round_up(most: int) -> int:
    """Round up to 2, 4, 6, 8 or 10 times a power of ten, so that half of it is a whole number."""
    power = 1
    while 10 * power < most:
        power *= 10
    return next(step * power for step in (2, 4, 6, 8, 10) if step * power >= most)
