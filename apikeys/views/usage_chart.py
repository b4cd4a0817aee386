"""The geometry of a usage chart: stacked columns in a box of its own units, which the page stretches. No colours, no words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from apikeys.usage.statistics import Bar

HEIGHT = 100
COLUMN = 10
_GAP = 1.5
# What is there must be seen, however little it is beside the rest.
_LEAST = 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle, in numbers as SVG spells them."""

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
        """The number that the box is high: round, even, and no less than the highest column."""
        return round_up(max(bar.figures.requests for bar in self.bars))

    @property
    def ticks(self) -> tuple[int, int, int]:
        return self.top, self.top // 2, 0

    @property
    def starts(self) -> list[datetime]:
        """Where the axis is labelled: the first column of each of `labels` equal parts."""
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
    """The least of 2, 4, 6, 8 and 10 times a power of ten that is no less than `most`: its half is a whole number."""
    authority = 1
    while 10 * authority < most:
        authority *= 10
    return next(step * authority for step in (2, 4, 6, 8, 10) if step * authority >= most)
