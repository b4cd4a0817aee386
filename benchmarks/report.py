"""Format the measurements and their targets as Markdown tables."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load import Reading


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure. `least` or `most` is its target; without one it is informational."""

    name: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def is_reached(self) -> bool:
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )

    def row(self) -> str:
        target = (
            f"≥ {self.least:,g}"
            if self.least is not None
            else f"≤ {self.most:,g}"
            if self.most is not None
            else ""
        )
        verdict = ("yes" if self.is_reached else "**no**") if target else ""
        digits = 0 if self.value >= 1000 else 2
        value = f"{self.value:,.{digits}f} {self.unit}".rstrip()
        return f"| {self.name} | {value} | {target} | {verdict} |"


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        "unknown",
    )
    system = f"{platform.system()} {platform.machine()}"
    return f"{os.cpu_count()} cores ({model}), {system}, Python {platform.python_version()}"


def rates(readings: Mapping[str, Reading]) -> list[str]:
    lines = ["| subject | requests/s | p50 ms | p99 ms |", "|---|--:|--:|--:|"]
    return lines + [
        f"| {name} | {r.rate:,.0f} | {r.p50:.2f} | {r.p99:.2f} |" for name, r in readings.items()
    ]


def figures(taken: Sequence[Figure]) -> list[str]:
    return [
        "| figure | measured | target | met |",
        "|---|--:|--:|:-:|",
        *(figure.row() for figure in taken),
    ]


def head() -> list[str]:
    command = ["git", "rev-parse", "--short", "HEAD"]
    revision = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} at {revision} with `make bench`: {machine()},",
        "PostgreSQL with fsync off, everything on one machine, including the load generator. All",
        "figures are from one run. Rates are medians over rounds in which the subjects take turns.",
    ]
