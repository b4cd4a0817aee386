import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from keyway_agent.heartbeat import Heartbeat

WAITING = {"rotating_out": True, "rotating_out_at": None}
ENDING = {"rotating_out": True, "rotating_out_at": "2026-11-28T20:03:00Z"}
FINE = {"rotating_out": False, "rotating_out_at": None}
OLDER_SERVER = {"rotating_out": True}


def warnings_after(caplog: pytest.LogCaptureFixture, *answers: dict[str, Any]) -> list[str]:
    """Send one heartbeat for each answer and return what was logged."""
    scripted = iter(answers)
    remote = SimpleNamespace(
        current=SimpleNamespace(version=1, heartbeat_interval_seconds=60),
        note_version=lambda version: None,
    )
    beats: Any = Heartbeat(
        server=SimpleNamespace(heartbeat=lambda report: next(scripted)),  # type: ignore[arg-type]
        source=SimpleNamespace(backlog=lambda: 0),
        configuration=remote,  # type: ignore[arg-type]
        host="sql-1",
        stop=threading.Event(),
        refused=lambda refusal: None,
    )
    caplog.set_level(logging.WARNING)
    for _ in answers:
        beats._beat()
    return [record.getMessage() for record in caplog.records]


def test_rotation_is_warned_of_once_and_again_with_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logged = warnings_after(caplog, FINE, WAITING, WAITING, ENDING, ENDING)
    assert len(logged) == 2
    assert "not known yet" in logged[0]
    assert "until 2026-11-28T20:03:00Z" in logged[1]


def test_warning_is_repeated_for_another_rotation(caplog: pytest.LogCaptureFixture) -> None:
    assert len(warnings_after(caplog, ENDING, FINE, ENDING)) == 2


def test_older_server_without_an_end_is_understood(caplog: pytest.LogCaptureFixture) -> None:
    assert len(warnings_after(caplog, OLDER_SERVER, OLDER_SERVER)) == 1


def test_hostile_end_stays_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = warnings_after(caplog, {"rotating_out": True, "rotating_out_at": "x\nERROR forged"})
    assert "\n" not in line
