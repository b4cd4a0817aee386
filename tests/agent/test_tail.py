"""The log directory as PostgreSQL, log rotation and accidents leave it."""

from pathlib import Path

import pytest
from keyway_agent.errors import Unreadable
from keyway_agent.log_directory import LogDirectory, LogFile

from tests.agent.logs import Reader, events, row


def line(number: int) -> bytes:
    """A statement of a session of its own, `number` seconds into the log."""
    return row(number, f"duration: 1.5 ms  statement: select {number}", session=f"6b01.{number:x}")


def lines(*numbers: int) -> bytes:
    return b"".join(map(line, numbers))


@pytest.fixture
def reader(tmp_path: Path):
    (tmp_path / "log").mkdir()
    reader = Reader(tmp_path / "log", tmp_path / "state", zone="")
    yield reader
    reader.dies()


def selected(source) -> list[int]:
    return [int(str(event["statement"]).split()[1]) for event in events(source)]


def test_files_are_read_by_the_time_of_their_first_record(reader: Reader) -> None:
    for name, numbers in {"b.csv": (1, 2), "c.csv": (5,), "a.csv": (3, 4)}.items():
        (reader.logs / name).write_bytes(lines(*numbers))
    assert selected(reader.opens()) == [1, 2, 3, 4, 5]


def test_rotation_and_lines_that_come_late_lose_nothing(reader: Reader) -> None:
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
def test_renamed_file_is_read_on_under_its_new_name(reader: Reader, restart: bool) -> None:
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


def test_removed_file_is_read_to_its_end_while_it_is_open(reader: Reader) -> None:
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
def test_file_that_is_emptied_and_used_again_is_read_from_its_beginning(
    reader: Reader, after: tuple[int, ...]
) -> None:
    """PostgreSQL does so when log_filename has no date. The inode stays, and the file may have outgrown our place."""
    log = reader.logs / "postgresql-Mon.csv"
    log.write_bytes(lines(1, 2))
    source = reader.opens()
    assert selected(source) == [1, 2]
    inode = log.stat().st_ino
    log.write_bytes(lines(*after))
    assert log.stat().st_ino == inode
    assert selected(source) == list(after)


def test_copy_beside_the_original_is_not_read_twice(reader: Reader) -> None:
    (reader.logs / "a.csv").write_bytes(lines(1, 2))
    (reader.logs / "a.csv.1").write_bytes(lines(1))
    assert selected(reader.opens()) == [1, 2]


def test_line_written_while_the_next_file_is_found_is_read(reader: Reader, monkeypatch) -> None:
    """The file was renamed to what is no log, and PostgreSQL writes its last line just before it opens the next one."""
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


def test_partial_record_waits_and_does_not_hold_up_the_next_file(reader: Reader) -> None:
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


def test_record_torn_at_any_byte_is_set_aside_and_the_next_is_read(
    reader: Reader, tmp_path: Path
) -> None:
    """The disk was full for a moment: the next record follows on the same line."""
    for cut in range(1, len(line(2)) - 1):
        (reader.logs / "a.csv").write_bytes(lines(1) + line(2)[:cut] + lines(3, 4))
        again = Reader(reader.logs, tmp_path / f"state{cut}", zone="")
        assert selected(again.opens()) == [1, 3, 4], cut
        again.dies()
        aside = (again.state / "unreadable.ndjson").read_text()
        assert aside.count("\n") == 1
        assert f'"start": {len(line(1))}, "end": {len(line(1)) + cut}' in aside


def test_torn_end_of_a_file_does_not_hold_up_the_next(reader: Reader) -> None:
    (reader.logs / "a.csv").write_bytes(lines(1) + line(2)[:100])
    (reader.logs / "b.csv").write_bytes(lines(3))
    assert selected(reader.opens()) == [1, 3]


def test_record_with_an_impossible_time_is_set_aside(reader: Reader) -> None:
    (reader.logs / "a.csv").write_bytes(
        lines(1) + line(2).replace(b"2026-11", b"2026-99") + lines(3)
    )
    assert selected(reader.opens()) == [1, 3]
    assert (reader.state / "unreadable.ndjson").exists()


def test_other_files_compressed_ones_and_links_are_left_alone(
    reader: Reader, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.csv").write_bytes(lines(1))
    (reader.logs / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    (reader.logs / "a.csv.gz").write_bytes(lines(2))
    (reader.logs / "a.log").write_bytes(lines(3))
    (reader.logs / "empty.csv").touch()
    (reader.logs / "folder.csv").mkdir()
    (reader.logs / "b.csv").write_bytes(lines(4))
    assert selected(reader.opens()) == [4]


def test_start_at_the_end_leaves_out_what_was_there_and_nothing_after(
    tmp_path: Path, reader: Reader
) -> None:
    (reader.logs / "a.csv").write_bytes(lines(1))
    from_end = Reader(reader.logs, tmp_path / "other", zone="", from_end=True)
    from_end.opens()  # and dies before it has delivered anything
    with (reader.logs / "a.csv").open("ab") as file:
        file.write(lines(2))
    assert selected(from_end.opens()) == [2]
    from_end.dies()
    assert selected(reader.opens()) == [1, 2]


def test_log_that_is_gone_since_the_last_life_is_told(reader: Reader, caplog) -> None:
    (reader.logs / "a.csv").write_bytes(lines(1, 2))
    source = reader.opens()
    source.delivered(source.read())
    (reader.logs / "a.csv").unlink()
    (reader.logs / "b.csv").write_bytes(lines(3))
    assert selected(reader.opens()) == [3]
    assert "1 log files that were read before are gone" in caplog.text


def test_directory_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "none", tmp_path / "state")
    with pytest.raises(Unreadable, match="cannot list"):
        reader.opens()
    reader.dies()


def test_bytes_behind_are_those_not_delivered(reader: Reader) -> None:
    (reader.logs / "a.csv").write_bytes(lines(1, 2))
    source = reader.opens()
    found = list(source.read())
    assert source.backlog() == (reader.logs / "a.csv").stat().st_size
    source.delivered(found[:1])
    assert source.backlog() == len(line(2))


def test_log_in_another_language_is_told_once(reader: Reader, caplog) -> None:
    german = line(1).replace(b"LOG,00000", b"PROTOKOLL,00000")
    (reader.logs / "a.csv").write_bytes(german + german.replace(b"6b01.1", b"6b01.2"))
    events(reader.opens())
    assert caplog.text.count("Set lc_messages = 'C'") == 1
