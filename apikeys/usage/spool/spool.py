"""The writing half of a spool: what this process appends to its segments, and whether there is room for more."""

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
# How long an answer about room may be reused, and how long a spool that failed is left alone.
LOOK_SECONDS = 0.2
RETRY_SECONDS = 1.0
REPORT_SECONDS = 10.0
ALARM_SHARE = 0.8


class SpoolFailed(Exception):
    """The line is not in the spool, nor a part of it."""


class Spool:
    """Thread-safe. One per process and directory; `sync` has to be called now and then by one thread."""

    def __init__(self, directory: Path, *, most_bytes: int) -> None:
        self.directory = directory
        self._most_bytes = most_bytes
        # Small enough that a spool of any size can be drained while somebody writes.
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
        """Append a whole line, in the file when this returns. Raises SpoolFailed."""
        with self._lock:
            if time.monotonic() < self._failed_at + RETRY_SECONDS:
                raise SpoolFailed()
            self._write(line)

    def has_room(self) -> bool:
        """Tell whether lines may be added: the spool works, and is not full as of a moment ago."""
        now = time.monotonic()
        if now < self._failed_at + RETRY_SECONDS:
            return False
        if now >= self._looked_at + LOOK_SECONDS:
            with self._lock:
                if now >= self._looked_at + LOOK_SECONDS:
                    self._look(now)
        return self._used_bytes < self._most_bytes and not self._has_failed

    def count_lost(self, *, served: bool) -> None:
        """Count a request that has no line, where the count outlives this process as well as the spool's state allows."""
        with self._lock:
            if self._segment is None and not self._has_failed:
                self._open()
            if self._segment is None:
                self._carried = self._carried.widened(served=served)
            else:
                self._note(self._segment, served=served)
            self._report_loss()

    def sync(self) -> None:
        """Force what was written to the disk, and end segments that are done."""
        with self._syncing:
            with self._lock:
                if self._segment and time.monotonic() > self._used_at + MOST_IDLE_SECONDS:
                    self._retire()
                written = [] if self._is_synced or not self._segment else [self._segment]
                retired, self._retired, self._is_synced = self._retired, [], True
            for segment in (*retired, *written):
                self._sync(segment)
            for segment in retired:
                segment.close()

    def close(self) -> None:
        with self._lock:
            self._retire()
        self.sync()

    def abandon(self) -> None:
        """After a fork, in the child: let go of the parent's segments, which it goes on writing."""
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
            if segment.is_spoiled:
                self._retire()
            self._fail(error)
            raise SpoolFailed() from error
        self._used_bytes += len(line)
        self._used_at = time.monotonic()
        self._is_synced = False
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
            self._carried = self._carried.widened(served=served)
            self._fail(error)

    def _open(self) -> Segment | None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._segment = Segment.create(self.directory, self._carried)
        except OSError as error:
            self._fail(error)
            return None
        self._carried = Gap()
        return self._segment

    def _retire(self) -> None:
        """Write no more to the segment. `sync` closes it, so that no descriptor is closed while it is synced."""
        if self._segment:
            self._retired.append(self._segment)
            self._segment = None

    def _retire_when_full(self) -> None:
        """Or what is drained of this segment could not be removed, and there would never be room again."""
        if (
            self._used_bytes >= self._most_bytes
            and self._segment
            and self._segment.size > HEADER_BYTES
        ):
            self._retire()

    def _fail(self, error: OSError) -> None:
        self._failed_at = time.monotonic()
        logger.error("The spool at %s cannot be written: %s", self.directory, error)

    def _report_loss(self) -> None:
        """Nothing goes missing silently: say how much, not more often than anybody would read."""
        now = time.monotonic()
        if now < self._reported_at + REPORT_SECONDS:
            return
        self._reported_at = now
        gap = self._segment.gap if self._segment else self._carried
        logger.error("The spool at %s is full or away: %d requests went unrecorded, %d were refused.",
                     self.directory, gap.served, gap.refused)  # fmt: skip

    def _look(self, now: float) -> None:
        """Measure the spool; after a failure, try an empty line, which is nothing to whoever drains it."""
        self._looked_at = now
        if self._has_failed:
            try:
                self._write(b"\n")
            except SpoolFailed:
                return
        self._used_bytes = _size(self.directory)
        self._retire_when_full()
        self._alarm(self._used_bytes >= ALARM_SHARE * self._most_bytes)

    def _alarm(self, is_near: bool) -> None:  # noqa: FBT001
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
                    continue  # drained meanwhile
    except FileNotFoundError:
        return 0
    return total
