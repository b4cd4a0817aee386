"""Sample csvlogs, written by a real PostgreSQL 15, and a source that reads copies of them."""

import csv
import io
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keyway_agent.event import Event
from keyway_agent.postgresql import CsvLog, LogSettings
from keyway_agent.source import Entry
from keyway_agent.state import StateDirectory

SAMPLES = Path(__file__).parent / "csvlog"
# Logged with log_statement = all; with log_min_duration_statement = 0; with both and
# log_timezone = Europe/Berlin.
STATEMENTS, DURATIONS, BOTH = (
    SAMPLES / name for name in ("statements.csv", "durations.csv", "both_in_berlin.csv")
)
LONG_AFTER = datetime(2100, 1, 1, tzinfo=UTC)


def put(folder: Path, *samples: Path) -> Path:
    """Copy the samples into a log directory."""
    folder.mkdir(exist_ok=True)
    for sample in samples:
        shutil.copy(sample, folder)
    return folder


class Reader:
    """A source over a log directory. Each opens() stands for a restart of the agent."""

    def __init__(self, logs: Path, state: Path, **settings: Any) -> None:
        self.logs, self.state, self.now = logs, state, LONG_AFTER
        self._settings: dict[str, Any] = {
            "zone": "Europe/Berlin",
            "instance": "db1",
            "from_end": False,
        } | settings
        self._open: StateDirectory | None = None

    def opens(self) -> CsvLog:
        self.dies()
        self._open = StateDirectory(self.state)
        return CsvLog(
            LogSettings(path=self.logs, **self._settings),
            host="db1",
            state=self._open,
            now=lambda: self.now,
        )

    def dies(self) -> None:
        if self._open:
            self._open.release()
        self._open = None


def entries(source: CsvLog) -> list[Entry]:
    """Read everything the source yields now. Statements it still holds are left out."""
    found: list[Entry] = []
    while source._tail.backlog():
        found += source.read()
    return [*found, *source.read()]


def events(source: CsvLog) -> list[Event]:
    return [entry.event for entry in entries(source) if entry.event]


def summaries(happened: list[Event]) -> list[tuple[str, bool, str]]:
    return [
        (str(event["action_id"]), bool(event["succeeded"]), str(event["statement"]))
        for event in happened
    ]


def row(number: int, message: str, **columns: str) -> bytes:
    """Format one record of alice's session, `number` seconds into the log.

    ``row(3, "…", log="ERROR", tag="BIND", query="…")``
    """
    at = f"2026-11-21 04:{number // 60:02}:{number % 60:02}.000 UTC"
    values = {
        0: at,
        1: "alice",
        2: "shop",
        3: "1",
        4: "10.0.0.1:5",
        5: columns.get("session", "6b01.1"),
        6: str(number),
        7: columns.get("tag", "SELECT"),
        8: f"{at[:19]} UTC",
        9: columns.get("transaction", "3/4"),
        10: "0",
        11: columns.get("log", "LOG"),
        12: "00000",
        13: message,
        14: columns.get("detail", ""),
        18: columns.get("context", ""),
        19: columns.get("query", ""),
        22: "app",
        23: "client backend",
        25: "0",
    }
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([values.get(i, "") for i in range(26)])
    return text.getvalue().encode()
