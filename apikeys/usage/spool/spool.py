"""The writing half of a spool. It appends to this process's segments and measures the room."""

import logging
import os
import threading
import time
from pathlib import Path

from apikeys.usage.spool.segment import HEADER_BYTES, Gap, Segment

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 8 * 1024 * 1024
SEGMENT_SECONDS = 3600
MOST_IDLE_SECONDS = 300
# How long a measurement of the room may be reused, and how long to leave a failed spool alone.
LOOK_SECONDS = 0.2
RETRY_SECONDS = 1.0
REPORT_SECONDS = 10.0
ALARM_SHARE = 0.8


class SpoolFailed(Exception):
    """Neither the line nor any part of it is in the spool."""


class Spool:
    """Thread-safe. One per process and directory. A thread must call `sync` regularly."""

    def __init__(self, directory: Path, *, most_bytes: int) -> None:
        self.directory = directory
        self._most_bytes = most_bytes
        # A small part of the whole: only complete segments free room, so a spool of one large
        # segment could fill up while it is drained.
        self._segment_bytes = min(SEGMENT_BYTES, max(most_bytes // 16, 4096))
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        self._segment: Segment | None = None
        self._retired: list[Segment] = []
        self._carried = Gap()
        self._is_synced = True
        self._used_at = time.monotonic()
        self._used_bytes = 0
        self._looked_at = float("-inf")
        self._failed_at = float("-inf")
        self._is_alarmed = False
        self._reported_at = float("-inf")

    def write(self, line: bytes) -> None:
        """Append a whole line. It is in the file when this returns. Raises SpoolFailed."""
        # One lock for the write, the size and the change of segments. Two threads at once would
        # take the size of each other's lines, and an undo would cut a line that was already
        # answered.
        with self._lock:
            # Fail fast for a moment after a failure: thousands of requests a second would each try,
            # log, and wait for the disk.
            if time.monotonic() < self._failed_at + RETRY_SECONDS:
                raise SpoolFailed()
            self._write(line)

    def has_room(self) -> bool:
        """Return whether the spool works and was not full when it was last measured."""
        now = time.monotonic()
        if now < self._failed_at + RETRY_SECONDS:
            return False
        if now >= self._looked_at + LOOK_SECONDS:
            with self._lock:
                # Again under the lock: of many threads with a stale measurement, one renews it.
                if now >= self._looked_at + LOOK_SECONDS:
                    self._measure(now)
        return self._used_bytes < self._most_bytes and not self._has_failed

    def count_lost(self, *, served: bool) -> None:
        """Count a request that has no line, so that the gap is visible in the usage."""
        with self._lock:
            # In the header of a segment. A count in memory would be lost with the process.
            if self._segment is None and not self._has_failed:
                self._open()
            if self._segment is None:
                # No file can be made: keep the count for the header of the next segment.
                self._carried = self._carried.widened(served=served)
            else:
                self._note(self._segment, served=served)
            self._report_loss()

    def sync(self) -> None:
        """Force written lines to the disk, and close retired segments."""
        # One sync at a time: another could close a segment that is being synced, and the
        # descriptor's number might already belong to another file.
        with self._syncing:
            # Only to take the list. Syncing under the lock would make every request wait for disk.
            with self._lock:
                if self._segment and time.monotonic() > self._used_at + MOST_IDLE_SECONDS:
                    self._retire()
                written = [] if self._is_synced or not self._segment else [self._segment]
                # Marked as synced before the sync: a line that is written during it clears the mark
                # again. Marked after it, that line would stay unsynced.
                retired, self._retired, self._is_synced = self._retired, [], True
            for segment in (*retired, *written):
                self._sync(segment)
            # Closed after its sync, since closing releases the lock: a drainer may then remove it.
            for segment in retired:
                segment.close()

    def close(self) -> None:
        with self._lock:
            self._retire()
        self.sync()

    def abandon(self) -> None:
        """Close the parent's segments in the child of a fork. The parent goes on writing them."""
        # An flock belongs to the open file, which the fork shares. While the child keeps it open,
        # the segments stay locked after the parent has died, and are never drained to their end.
        for segment in (*self._retired, *([self._segment] if self._segment else [])):
            segment.close()

    @property
    def _has_failed(self) -> bool:
        return self._failed_at > float("-inf")

    def _write(self, line: bytes) -> None:
        segment = self._segment
        if segment and (
            segment.size >= self._segment_bytes
            or time.monotonic() > segment.opened_at + SEGMENT_SECONDS
        ):
            self._retire()
        segment = self._segment or self._open()
        if segment is None:
            raise SpoolFailed()
        try:
            segment.append(line)
        except OSError as error:
            # A partial line that could not be cut off: nothing may follow it in this file.
            if segment.is_spoiled:
                self._retire()
            self._fail(error)
            raise SpoolFailed() from error
        self._used_bytes += len(line)
        self._used_at = time.monotonic()
        self._is_synced = False
        # Only a line that was written ends a failure. Time alone does not.
        self._failed_at = float("-inf")
        self._retire_when_full()

    def _sync(self, segment: Segment) -> None:
        try:
            segment.sync()
        except OSError as error:
            with self._lock:
                self._fail(error)

    def _note(self, segment: Segment, *, served: bool) -> None:
        try:
            segment.note(segment.gap.widened(served=served))
        except OSError as error:
            # Not lost: the next segment's header begins with it.
            self._carried = self._carried.widened(served=served)
            self._fail(error)

    def _open(self) -> Segment | None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._segment = Segment.create(self.directory, self._carried)
        except OSError as error:
            self._fail(error)
            return None
        # After the header is on the disk. Before it, a failed attempt would lose the count.
        self._carried = Gap()
        return self._segment

    def _retire(self) -> None:
        # Only set aside. `sync` closes it: closed here, it could be in the middle of a sync.
        if self._segment:
            self._retired.append(self._segment)
            self._segment = None

    def _retire_when_full(self) -> None:
        # A segment frees its room only once it is complete. If a full spool kept its last one open,
        # the drained lines could never be removed, and there would never be room again. An empty
        # one is kept: retiring it would make a new file at each measurement.
        if (
            self._used_bytes >= self._most_bytes
            and self._segment
            and self._segment.size > HEADER_BYTES
        ):
            self._retire()

    def _fail(self, error: OSError) -> None:
        self._failed_at = time.monotonic()
        logger.error("Writing to the spool at %s failed: %s", self.directory, error)

    def _report_loss(self) -> None:
        """Log how many requests are missing, at most once every REPORT_SECONDS."""
        now = time.monotonic()
        if now < self._reported_at + REPORT_SECONDS:
            return
        self._reported_at = now
        gap = self._segment.gap if self._segment else self._carried
        logger.error(
            "The spool at %s is full or unavailable: %d requests went unrecorded, %d were refused.",
            self.directory,
            gap.served,
            gap.refused,
        )

    def _measure(self, now: float) -> None:
        """Measure how full the spool is. After a failure, first try to write."""
        self._looked_at = now
        # An empty line, which drainers skip. Measuring alone would not show that the disk is still
        # full, and the first request would be let in only to be refused after its work.
        if self._has_failed:
            try:
                self._write(b"\n")
            except SpoolFailed:
                return
        self._used_bytes = _size(self.directory)
        self._retire_when_full()
        self._warn_once(self._used_bytes >= ALARM_SHARE * self._most_bytes)

    def _warn_once(self, is_near: bool) -> None:  # noqa: FBT001
        if is_near and not self._is_alarmed:
            logger.warning(
                "The spool at %s holds %d of %d bytes.",
                self.directory,
                self._used_bytes,
                self._most_bytes,
            )
        self._is_alarmed = is_near


def _size(directory: Path) -> int:
    total = 0
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    total += entry.stat().st_size
                except FileNotFoundError:
                    continue  # drained in the meantime
    except FileNotFoundError:
        return 0
    return total
