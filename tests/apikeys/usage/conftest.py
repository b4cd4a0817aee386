"""Every test here has its own spool, and drains it explicitly."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from apikeys.usage.drain import Drainer
from apikeys.usage.spool import append
from apikeys.usage.spool import spool as spools
from apikeys.usage.spool.lines import UnprovenLine, UseLine, encode
from apikeys.usage.spool.spool import Spool
from tests.apikeys.usage.drained import Write

Drain = Callable[[], int]


@pytest.fixture(autouse=True)
def _waits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the real waits."""
    monkeypatch.setattr(spools, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(spools, "RETRY_SECONDS", 0.3)


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    """Return the directory of the spool. The first line creates it."""
    append.stop()
    settings.KEYWAY_SPOOL = str(tmp_path / "spool")
    yield tmp_path / "spool"
    append.stop()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory for a spool without an appender."""
    return tmp_path / "lines"


@pytest.fixture
def drain(spool: Path) -> Drain:
    """Move all recorded lines into the database, as another process would."""

    def drained() -> int:
        append.appender().flush()
        return Drainer(spool).drain()

    return drained


@pytest.fixture
def writer(spool: Path) -> Iterator[Spool]:
    made = Spool(spool, most_bytes=10**9)
    yield made
    made.close()


@pytest.fixture
def drainer(spool: Path) -> Drainer:
    return Drainer(spool)


@pytest.fixture
def write(writer: Spool) -> Write:
    def written(*lines: UseLine | UnprovenLine) -> None:
        for line in lines:
            writer.write(encode(line))

    return written
