"""Moving a spool into the database: each whole line exactly once, whoever is killed when.

A segment's row says how far it is drained, is locked while lines are moved, and advances in the transaction that
stores them. A segment is removed when it is drained to its end and its writer is gone, and its row after it. The
file is opened only under the lock of its row: whoever makes a row anew because another drainer just finished finds
no file.
"""

import fcntl
import logging
import os
import threading
from pathlib import Path

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from apikeys.usage.endpoints import Endpoints
from apikeys.usage.models import SpoolSegment, UsageGap
from apikeys.usage.spool import segment
from apikeys.usage.spool.lines import UnprovenLine, UseLine, decode
from apikeys.usage.spool.segment import Chunk, Gap
from apikeys.usage.storage import moment, store

logger = logging.getLogger(__name__)

# The whole database of an SQLite installation is locked while a batch is stored.
MOST_LINES = {"postgresql": 5000, "sqlite": 1000}
EVERY_SECONDS = 1.0
MOST_BACKOFF_SECONDS = 15.0
_TURN = "drain.lock"


class Drainer:
    """Drains one spool. Any number may do it at once, in this process or in others; `run` takes turns instead."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # What was seen of a segment when it was last drained: one that looks the same costs no query.
        self._seen: dict[str, tuple[int, Gap]] = {}
        self._endpoints = Endpoints()
        self._turn: int | None = None

    def drain(self) -> int:
        """Move every whole line that is there and remove what is finished. Returns how many lines were moved.

        Raises what the database raises, and OSError for a segment that cannot be read or removed; after the others.
        """
        if not self._directory.is_dir():
            return 0
        segment.sweep(self._directory)
        names = segment.names(self._directory)
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        moved, failure = 0, None
        for name in names:
            try:
                moved += self._drain(self._directory / name)
            except FileNotFoundError:
                continue  # another drainer finished it
            except OSError as error:
                failure = error
            except ValueError as error:
                segment.set_aside(self._directory / name)
                logger.error(
                    "%s is not a segment (%s). It is set aside and no longer looked at.",
                    name,
                    error,
                )
        if failure:
            raise failure
        return moved

    def run(self, stop: threading.Event) -> None:
        """Drain every second while no other process does it for this spool, through any outage of the database."""
        failures = 0
        try:
            while not stop.wait(min(EVERY_SECONDS * 2**failures, MOST_BACKOFF_SECONDS)):
                try:
                    if self._has_turn():
                        self.drain()
                    failures = 0
                except (DatabaseError, InterfaceError, OSError) as error:
                    failures = min(failures + 1, 4)
                    logger.error(
                        "Usage stays in the spool at %s for now: %s", self._directory, error
                    )
                finally:
                    connection.close()
        finally:
            self._end_turn()

    def _drain(self, path: Path) -> int:
        """Move what is there now. What is written meanwhile waits, or a busy writer's lines would come one by one."""
        moved = 0
        there = segment.look(path)
        while self._seen.get(path.name) != there:
            chunk = self._move(path)
            moved += sum(map(bool, chunk.lines))
            if chunk.end >= there[0] or not chunk.lines:
                # A part of a line at the end is seen too; lines behind `there` are not.
                there = self._seen[path.name] = chunk.end if chunk.lines else chunk.size, chunk.gap
        self._finish(path)
        return moved

    def _move(self, path: Path) -> Chunk:
        """Move one batch: its lines, and the offset behind them, in one transaction."""
        with transaction.atomic():
            row = _lock(path)
            chunk = segment.read(path, row.offset, most_lines=MOST_LINES[connection.vendor])
            self._store(path.name, chunk)
            row.offset = chunk.end
            row.save(update_fields=["offset"])
        return chunk

    def _store(self, name: str, chunk: Chunk) -> None:
        lines = [decode(line) for line in chunk.lines if line]
        uses = [line for line in lines if isinstance(line, UseLine)]
        unproven = [line for line in lines if isinstance(line, UnprovenLine)]
        store(uses, unproven, self._endpoints)
        _note(name, chunk.gap, unreadable=len(lines) - len(uses) - len(unproven))

    def _finish(self, path: Path) -> None:
        """Remove the segment when nobody writes to it any more. A part of a line at its end was never answered."""
        with segment.complete(path) as is_complete:
            if not is_complete:
                return
            with transaction.atomic():
                row = _lock(path)
                chunk = segment.read(path, row.offset, most_lines=1)
                if chunk.lines:
                    del self._seen[path.name]
                    return
                self._store(path.name, chunk)
                segment.remove(path)
                row.delete()

    def _has_turn(self) -> bool:
        """Take the turn if nobody has it, and keep it until this process ends."""
        if self._turn is None and self._directory.is_dir():
            turn = os.open(self._directory / _TURN, os.O_RDONLY | os.O_CREAT, 0o600)
            try:
                fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(turn)
            else:
                self._turn = turn
        return self._turn is not None

    def _end_turn(self) -> None:
        if self._turn is not None:
            os.close(self._turn)
            self._turn = None


def _lock(path: Path) -> SpoolSegment:
    """Raises FileNotFoundError when another drainer finished the segment while we waited."""
    SpoolSegment.objects.bulk_create([SpoolSegment(name=path.name)], ignore_conflicts=True)
    row = SpoolSegment.objects.select_for_update().filter(pk=path.name).first()
    if row is None:
        raise FileNotFoundError(path)
    return row


def _note(name: str, gap: Gap, *, unreadable: int) -> None:
    """Keep what is missing from a segment. Its first line tells of all of it, so that noting it again changes nothing."""
    if not (gap.served or gap.refused or unreadable):
        return
    now = timezone.now()
    since, until = (moment(gap.since), moment(gap.until)) if gap.since else (now, now)
    row = UsageGap.objects.filter(pk=name).first() or UsageGap(
        segment=name, since=since, until=until
    )
    row.since, row.until = min(row.since, since), max(row.until, until)
    row.served, row.refused, row.unreadable = gap.served, gap.refused, row.unreadable + unreadable
    row.save()
    if unreadable:
        logger.error(
            "%d lines of %s cannot be read: their checksum does not hold.", unreadable, name
        )
