import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from keyway_agent.cursor import Cursor
from keyway_agent.errors import BrokenState, Misconfigured
from keyway_agent.state import StateDirectory


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    state = StateDirectory(tmp_path / "state")
    yield state
    state.release()


def test_second_agent_on_the_same_state_is_refused(state: StateDirectory) -> None:
    with pytest.raises(Misconfigured, match="another agent"):
        StateDirectory(state.path)
    state.release()
    second = StateDirectory(state.path)
    second.release()
    state.__init__(state.path)  # type: ignore[misc]


def test_state_is_readable_by_its_owner_only(state: StateDirectory) -> None:
    state.replace("a", b"1")
    state.append("b", b"1\n")
    assert state.path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in state.path.iterdir()} == {0o600}


def test_append_after_a_torn_line_starts_a_new_line(state: StateDirectory) -> None:
    state.append("rejected.ndjson", b'{"torn')
    state.append("rejected.ndjson", b'{"whole": 1}\n')
    assert (state.path / "rejected.ndjson").read_bytes() == b'{"torn\n{"whole": 1}\n'


def test_failed_replace_keeps_the_old_file(state: StateDirectory) -> None:
    state.replace("a", b"before")
    (state.path / ".a.new").mkdir()
    with pytest.raises(BrokenState, match="Its files are unchanged"):
        state.replace("a", b"after")
    assert state.read("a") == b"before"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"offsets": []}', b'{"offsets": {"a": "x"}, "joined": []}']
)
def test_damaged_cursor_is_refused_with_advice(state: StateDirectory, content: bytes) -> None:
    state.replace("cursor.json", content)
    with pytest.raises(Misconfigured, match="Remove it to send every log again"):
        Cursor(state)


def write_for_ever(path: Path) -> None:
    state = StateDirectory(path)
    for number in range(1_000_000):
        state.replace("cursor.json", b"%d" % number * 5000)


def test_killed_writer_leaves_a_complete_file(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    for round_ in range(10):
        writer = spawn.Process(target=write_for_ever, args=(tmp_path / "state",))
        writer.start()
        time.sleep(0.02 + round_ * 0.005)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        state = StateDirectory(tmp_path / "state")
        content = state.read("cursor.json")
        state.release()
        assert content is None or content == content[: len(content) // 5000] * 5000
