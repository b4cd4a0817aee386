"""Append the usage of this process's requests to its spool, and run the thread that syncs it."""

import atexit
import logging
import os
import threading

from apikeys import conf
from apikeys.usage.spool.lines import UseLine, encode
from apikeys.usage.spool.spool import Spool, SpoolFailed
from apikeys.usage.spool.unproven import Counters

logger = logging.getLogger(__name__)

SYNC_SECONDS = 0.2
UNPROVEN_SECONDS = 5.0
_IDLE_SECONDS = 30.0


class Appender:
    """Records requests in a spool. Thread-safe.

    `blocks` says what to do when the spool is full: refuse requests, or answer and count them.
    """

    def __init__(self, spool: Spool, *, blocks: bool) -> None:
        self._spool = spool
        self._blocks = blocks
        self._unproven = Counters()
        self._stop = threading.Event()
        self._written = threading.Event()

    def accepts(self) -> bool:
        """Return whether a request may go on. Call before it does anything.

        A request that may not go on is counted as refused.
        """
        # Asked before the work and not only at `record`: a change that is made and then answered
        # with 503 would be repeated by its caller.
        if not self._blocks or self._spool.has_room():
            return True
        self._spool.count_lost(served=False)
        return False

    def record(self, line: UseLine) -> bool:
        """Append the line. False means: not recorded, so the response must not be sent."""
        try:
            # Only without `blocks`: a blocking request was asked in `accepts`. Asking again could
            # refuse one whose work is done, for room that another process took meanwhile.
            if not self._blocks and not self._spool.has_room():
                raise SpoolFailed()
            self._spool.write(encode(line))
        except SpoolFailed:
            # Every request without a line is counted, so that the usage shows that it is
            # incomplete.
            self._spool.count_lost(served=not self._blocks)
            return not self._blocks
        # Checked first: setting an event takes its lock, and this runs at every request.
        if not self._written.is_set():
            self._written.set()
        return True

    def count_unproven(self, *, minute: int, address: str, reason: str) -> None:
        self._unproven.add(minute=minute, address=address, reason=reason)
        self._written.set()

    def flush(self) -> None:
        """Append the counters of unproven presentations.

        Counters that find no room stay in memory.
        """
        for line in self._unproven.take():
            try:
                self._spool.write(encode(line))
            except SpoolFailed:
                self._unproven.put_back(line)

    def start(self) -> None:
        threading.Thread(target=self._look_after, name="usage-spool", daemon=True).start()

    def close(self) -> None:
        self._stop.set()
        # After the stop, to wake the thread that waits for it: it sees the stop and ends.
        self._written.set()
        # Before the spool closes: counters that are flushed later would open a new segment, which
        # nothing would close.
        self.flush()
        self._spool.close()

    def abandon(self) -> None:
        self._spool.abandon()

    def _look_after(self) -> None:
        """Sync written lines, five times a second while there are any. Sleep otherwise."""
        flushes_in = 0.0
        while not self._stop.is_set():
            self._written.wait(_IDLE_SECONDS)
            # Cleared before the sync: a line that is written during the sync sets it again. Cleared
            # after it, that line would wait for the next request to be synced.
            self._written.clear()
            self._stop.wait(SYNC_SECONDS)
            flushes_in -= SYNC_SECONDS
            if flushes_in <= 0:
                self.flush()
                flushes_in = UNPROVEN_SECONDS
            elif self._unproven:
                self._written.set()
            self._spool.sync()


_lock = threading.Lock()
_appender: Appender | None = None


def appender() -> Appender:
    """Return this process's appender. Created on first use.

    First use comes after a server has forked its workers, so each worker has its own segment and
    threads.
    """
    global _appender
    if _appender is None:
        with _lock:
            # Again under the lock: the first requests of a worker come at once, and a second
            # appender would leave a segment open that nothing syncs.
            if _appender is None:
                directory, most_bytes = conf.spool()
                made = Appender(
                    Spool(directory, most_bytes=most_bytes), blocks=conf.blocks_when_full()
                )
                # Published last: a caller that finds it uses it without the lock.
                made.start()
                _appender = made
    return _appender


@atexit.register
def stop() -> None:
    """Stop the thread and close the segment. The next request starts over."""
    global _appender
    with _lock:
        stopped, _appender = _appender, None
    if stopped:
        stopped.close()


def _forget() -> None:
    """Drop the parent's appender in the child of a fork: its threads did not come along."""
    global _appender, _lock
    # A new lock: another thread of the parent may have held the old one at the fork, and in the
    # child nothing would ever release it.
    _lock = threading.Lock()
    if _appender:
        # Not `close`: that would append the parent's counters a second time.
        _appender.abandon()
        _appender = None


os.register_at_fork(after_in_child=_forget)
