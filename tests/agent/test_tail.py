"""Log directories as PostgreSQL, log rotation and accidents leave them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from keyway_agent.errors import Unreadable
from keyway_agent.log_directory import LogDirectory, LogFile
from keyway_agent.postgresql import CsvLog

from tests.agent.logs import Reader, events, row


def line(number: int) -> bytes:
    """Format a statement in its own session, `number` seconds into the log."""
    return row(number, f"duration: 1.5 ms  statement: select {number}", session=f"6b01.{number:x}")


def lines(*numbers: int) -> bytes:
    return b"".join(map(line, numbers))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    (tmp_path / "log").mkdir()
    reader = Reader(tmp_path / "log", tmp_path / "state", zone="")
    yield reader
    reader.dies()


def selected(source: CsvLog) -> list[int]:
    return [int(str(event["statement"]).split()[1]) for event in events(source)]


def test_files_are_read_in_order_of_their_first_record(reader: Reader) -> None:
    for name, numbers in {"b.csv": (1, 2), "c.csv": (5,), "a.csv": (3, 4)}.items():
        (reader.logs / name).write_bytes(lines(*numbers))
    assert selected(reader.opens()) == [1, 2, 3, 4, 5]


def test_rotation_and_late_lines_lose_nothing(reader: Reader) -> None:
    old, new = reader.logs / "old.csv", reader.logs / "new.csv"
    old.write_bytes(lines(1))
    source = reader.opens()
    assert selected(source) == [1]
    with old.open("ab") as file:
        file.write(lines(2))
    new.write_bytes(lines(10))
    assert selected(source) == [2, 10]
    with old.open("ab") as file:
        file.write(lines(3))
    assert selected(source) == [3]


@pytest.mark.parametrize("restart", [False, True])
def test_renamed_file_is_read_under_its_new_name(reader: Reader, restart: bool) -> None:
    log = reader.logs / "postgresql.csv"
    log.write_bytes(lines(1, 2))
    source = reader.opens()
    source.delivered(source.read())
    with log.open("ab") as file:
        file.write(lines(3))
        log.rename(reader.logs / "postgresql.csv.1")
        file.write(lines(4))
    log.write_bytes(lines(5))
    assert selected(reader.opens() if restart else source) == [3, 4, 5]


def test_removed_file_is_read_to_its_end(reader: Reader) -> None:
    log = reader.logs / "a.csv"
    log.write_bytes(lines(1))
    source = reader.opens()
    assert selected(source) == [1]
    with log.open("ab") as file:
        log.unlink()
        file.write(lines(2))
        file.flush()
        (reader.logs / "b.csv").write_bytes(lines(3))
        assert selected(source) == [2, 3]


@pytest.mark.parametrize("after", [(7,), (7, 8, 9, 10)])
def test_truncated_and_reused_file_is_read_from_the_start(
    reader: Reader, after: tuple[int, ...]
) -> None:
    """PostgreSQL reuses files if log_filename has no date.

    The inode stays the same, and the file may have grown past the agent's offset.
    """
    log = reader.logs / "postgresql-Mon.csv"
    log.write_bytes(lines(1, 2))
    source = reader.opens()
    assert selected(source) == [1, 2]
    inode = log.stat().st_ino
    log.write_bytes(lines(*after))
    assert log.stat().st_ino == inode
    assert selected(source) == list(after)


def test_rotated_copy_is_not_read_twice(reader: Reader) -> None:
    (reader.logs / "a.csv").write_bytes(lines(1, 2))
    (reader.logs / "a.csv.1").write_bytes(lines(1))
    assert selected(reader.opens()) == [1, 2]


def test_line_written_during_the_listing_is_read(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The renamed file is no longer listed when PostgreSQL writes its last line to it."""
    log = reader.logs / "a.csv"
    log.write_bytes(lines(1))
    source = reader.opens()
    assert selected(source) == [1]
    look = LogDirectory.files
    file = log.open("ab")
    log.rename(reader.logs / "a.old")
    (reader.logs / "b.csv").write_bytes(lines(3))

    def write_and_look(directory: LogDirectory) -> list[LogFile]:
        if not file.closed:
            file.write(line(2))
            file.close()
        return look(directory)

    monkeypatch.setattr(LogDirectory, "files", write_and_look)
    found = [entry.event for entry in [*source.read(), *source.read()] if entry.event]
    assert [event["statement"] for event in found] == ["select 2", "select 3"]


def test_partial_record_waits_until_it_is_complete(reader: Reader) -> None:
    whole = line(2)
    log = reader.logs / "a.csv"
    log.write_bytes(lines(1) + whole[:100])
    source = reader.opens()
    assert selected(source) == [1]
    assert source.is_exhausted()
    with log.open("ab") as file:
        file.write(whole[100:])
    assert not source.is_exhausted()
    assert selected(source) == [2]


def test_torn_record_is_set_aside_and_the_next_is_read(reader: Reader, tmp_path: Path) -> None:
    """The disk was full for a moment, so the next record follows on the same line."""
    for cut in range(1, len(line(2)) - 1):
        (reader.logs / "a.csv").write_bytes(lines(1) + line(2)[:cut] + lines(3, 4))
        again = Reader(reader.logs, tmp_path / f"state{cut}", zone="")
        assert selected(again.opens()) == [1, 3, 4], cut
        again.dies()
        aside = (again.state / "unreadable.ndjson").read_text()
        assert aside.count("\n") == 1
        assert f'"start": {len(line(1))}, "end": {len(line(1)) + cut}' in aside


def test_torn_end_of_a_file_does_not_block_the_next(reader: Reader) -> None:
    (reader.logs / "a.csv").write_bytes(lines(1) + line(2)[:100])
    (reader.logs / "b.csv").write_bytes(lines(3))
    assert selected(reader.opens()) == [1, 3]


def test_record_with_an_invalid_time_is_set_aside(reader: Reader) -> None:
    (reader.logs / "a.csv").write_bytes(
        lines(1) + line(2).replace(b"2026-11", b"2026-99") + lines(3)
    )
    assert selected(reader.opens()) == [1, 3]
    assert (reader.state / "unreadable.ndjson").exists()


def test_links_and_files_that_are_not_logs_are_ignored(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_bytes(lines(1))
    (reader.logs / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    (reader.logs / "a.csv.gz").write_bytes(lines(2))
    (reader.logs / "a.log").write_bytes(lines(3))
    (reader.logs / "empty.csv").touch()
    (reader.logs / "folder.csv").mkdir()
    (reader.logs / "b.csv").write_bytes(lines(4))
    assert selected(reader.opens()) == [4]


def test_start_at_end_skips_only_existing_records(tmp_path: Path, reader: Reader) -> None:
    (reader.logs / "a.csv").write_bytes(lines(1))
    from_end = Reader(reader.logs, tmp_path / "other", zone="", from_end=True)
    from_end.opens()  # killed before it delivers anything
    with (reader.logs / "a.csv").open("ab") as file:
        file.write(lines(2))
    assert selected(from_end.opens()) == [2]
    from_end.dies()
    assert selected(reader.opens()) == [1, 2]


def test_removed_log_is_reported_after_a_restart(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    (reader.logs / "a.csv").write_bytes(lines(1, 2))
    source = reader.opens()
    source.delivered(source.read())
    (reader.logs / "a.csv").unlink()
    (reader.logs / "b.csv").write_bytes(lines(3))
    assert selected(reader.opens()) == [3]
    assert "1 log files that were read before are gone" in caplog.text


def test_missing_directory_is_unreadable(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "none", tmp_path / "state")
    with pytest.raises(Unreadable, match="cannot list"):
        reader.opens()
    reader.dies()


def test_backlog_counts_undelivered_bytes(reader: Reader) -> None:
    (reader.logs / "a.csv").write_bytes(lines(1, 2))
    source = reader.opens()
    found = list(source.read())
    assert source.backlog() == (reader.logs / "a.csv").stat().st_size
    source.delivered(found[:1])
    assert source.backlog() == len(line(2))


def test_log_in_another_language_is_reported_once(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    german = line(1).replace(b"LOG,00000", b"PROTOKOLL,00000")
    (reader.logs / "a.csv").write_bytes(german + german.replace(b"6b01.1", b"6b01.2"))
    events(reader.opens())
    assert caplog.text.count("Set lc_messages = 'C'") == 1
