"""Move a spool into the database: each whole line exactly once, whatever is killed at any time.

The row of a segment holds the offset up to which it is drained. The row is locked while lines are
moved, and the offset advances in the transaction that stores them. A segment is removed once it is
drained to its end and its writer has gone; its row goes after it. The file is opened only under the
lock of its row: a drainer that creates the row again, because another one just finished, finds no
file.
"""

import fcntl
import logging
import os
import threading
from pathlib import Path

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from apikeys.services.settle import settle
from apikeys.usage.endpoints import Endpoints
from apikeys.usage.models import SpoolSegment, UsageGap
from apikeys.usage.spool import segment
from apikeys.usage.spool.lines import UnprovenLine, UseLine, decode
from apikeys.usage.spool.segment import Chunk, Gap
from apikeys.usage.storage import moment, store

logger = logging.getLogger(__name__)

# Smaller on SQLite, where storing a batch locks the whole database for all others.
MOST_LINES = {"postgresql": 5000, "sqlite": 1000}
EVERY_SECONDS = 1.0
MOST_BACKOFF_SECONDS = 15.0
_TURN = "drain.lock"


class Drainer:
    """Drains one spool.

    Any number of drainers may work at once, in any process; `run` takes turns.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Each segment's size and gap when it was last drained. Without a change it costs no query.
        self._seen: dict[str, tuple[int, Gap]] = {}
        self._endpoints = Endpoints()
        self._turn: int | None = None
        # False at first: a drainer that was killed may have moved lines and not settled them.
        self._is_settled = False

    def drain(self) -> int:
        """Move every whole line, remove finished segments, and return the number of lines moved.

        Raises database errors at once. Raises OSError for a segment that cannot be read or removed,
        after the other segments.
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
                continue  # another drainer finished it between the listing and now
            except OSError as error:
                # Kept until the end: one broken file must not stop the lines of all other segments,
                # or the spool would fill up and requests would be refused.
                failure = error
            except ValueError as error:
                # Renamed and kept, not deleted: a person may still want to read it. Left under its
                # name, it would be logged again every second.
                segment.set_aside(self._directory / name)
                logger.error(
                    "%s is not a segment (%s). It was renamed to .bad and will not be drained.",
                    name,
                    error,
                )
        if not self._is_settled:
            self._is_settled = settle(timezone.now())
        if failure:
            raise failure
        return moved

    def run(self, stop: threading.Event) -> None:
        """Drain every second while this process has the turn, through outages of the database."""
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
        """Move the lines that the segment holds now, and remove it if it is finished."""
        moved = 0
        # Measured once, before the loop. Chasing the end of a busy segment would move a few lines
        # per transaction and never get to the other segments.
        there = segment.look(path)
        while self._seen.get(path.name) != there:
            chunk = self._move(path)
            moved += sum(map(bool, chunk.lines))
            if chunk.end >= there[0] or not chunk.lines:
                # A partial line at the end counts as seen, or a dead segment would be read for
                # ever. Lines that were written behind `there` do not: the next size differs, so
                # they are read.
                there = self._seen[path.name] = chunk.end if chunk.lines else chunk.size, chunk.gap
        self._finish(path)
        return moved

    def _move(self, path: Path) -> Chunk:
        """Move one batch of lines."""
        # One transaction for lines and offset. A crash between two would store the batch twice or
        # never.
        with transaction.atomic():
            # The lock before the file: the offset is read under it, so two drainers never move the
            # same lines, and a segment that another one just removed raises FileNotFoundError.
            row = _lock(path)
            chunk = segment.read(path, row.offset, most_lines=MOST_LINES[connection.vendor])
            self._store(path.name, chunk)
            row.offset = chunk.end
            row.save(update_fields=["offset"])
        self._is_settled = self._is_settled and not chunk.lines
        return chunk

    def _store(self, name: str, chunk: Chunk) -> None:
        lines = [decode(line) for line in chunk.lines if line]
        uses = [line for line in lines if isinstance(line, UseLine)]
        unproven = [line for line in lines if isinstance(line, UnprovenLine)]
        store(uses, unproven, self._endpoints)
        # A damaged line is counted and passed over. Raising would stop the segment at that line for
        # ever.
        _record_gap(name, chunk.gap, unreadable=len(lines) - len(uses) - len(unproven))

    def _finish(self, path: Path) -> None:
        """Remove the segment if its writer has gone.

        A partial line at its end is dropped: its request was never answered.
        """
        # The writer's lock first, and held to the end. A writer that still lives could append a
        # line between the last read and the unlink, and that line would be lost.
        with segment.complete(path) as is_complete:
            if not is_complete:
                return
            with transaction.atomic():
                row = _lock(path)
                # Read once more: the writer may have appended after the last batch and before its
                # end.
                chunk = segment.read(path, row.offset, most_lines=1)
                if chunk.lines:
                    del self._seen[path.name]
                    return
                # Without lines, for the gap: the header may have changed since the last batch.
                self._store(path.name, chunk)
                # The file goes before the commit that deletes its row. If the row went first and
                # the process died, the next drainer would start the file again at offset 0.
                segment.remove(path)
                row.delete()

    def _has_turn(self) -> bool:
        """Take the turn if it is free, and keep it until this process ends."""
        if self._turn is None and self._directory.is_dir():
            turn = os.open(self._directory / _TURN, os.O_RDONLY | os.O_CREAT, 0o600)
            try:
                # The kernel releases an flock when its process dies, however it dies. A file that
                # is created and removed would outlive a killed process and block the drain for
                # ever.
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
    """Lock the row of a segment.

    Raises FileNotFoundError if another drainer has finished the segment.
    """
    # Insert before select: only a row that exists can be locked. ignore_conflicts lets the drainer
    # that comes second wait for the first one instead of failing.
    SpoolSegment.objects.bulk_create([SpoolSegment(name=path.name)], ignore_conflicts=True)
    row = SpoolSegment.objects.select_for_update().filter(pk=path.name).first()
    if row is None:
        raise FileNotFoundError(path)
    return row


def _record_gap(name: str, gap: Gap, *, unreadable: int) -> None:
    """Record how many requests are missing from a segment, and between which times."""
    if not (gap.served or gap.refused or unreadable):
        return
    now = timezone.now()
    since, until = (moment(gap.since), moment(gap.until)) if gap.since else (now, now)
    row = UsageGap.objects.filter(pk=name).first() or UsageGap(
        segment=name, since=since, until=until
    )
    row.since, row.until = min(row.since, since), max(row.until, until)
    # Assigned and not added: the header counts from the start of the segment, and each batch
    # repeats it. Unreadable lines are added, because each batch sees its own.
    row.served, row.refused, row.unreadable = gap.served, gap.refused, row.unreadable + unreadable
    row.save()
    if unreadable:
        logger.error(
            "%d lines of %s are damaged (wrong checksum) and were skipped.", unreadable, name
        )
