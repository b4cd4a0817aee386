"""What this process records of the requests it answers, and the thread that looks after it."""

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
    """Thread-safe. `blocks` says what a full spool means: refuse requests, or answer and count them."""

    def __init__(self, spool: Spool, *, blocks: bool) -> None:
        self._spool = spool
        self._blocks = blocks
        self._unproven = Counters()
        self._stop = threading.Event()
        self._written = threading.Event()

    def accepts(self) -> bool:
        """Tell whether a request may go on, before it does anything. One that may not is counted as refused."""
        if not self._blocks or self._spool.has_room():
            return True
        self._spool.count_lost(served=False)
        return False

    def record(self, line: UseLine) -> bool:
        """Write the line down. False: there is none, and the request must not be answered with what it asked for."""
        try:
            if not self._blocks and not self._spool.has_room():
                raise SpoolFailed()
            self._spool.write(encode(line))
        except SpoolFailed:
            self._spool.count_lost(served=not self._blocks)
            return not self._blocks
        if not self._written.is_set():
            self._written.set()
        return True

    def count_unproven(self, *, minute: int, address: str, reason: str) -> None:
        self._unproven.add(minute=minute, address=address, reason=reason)
        self._written.set()

    def flush(self) -> None:
        """Write the counters down. What finds no room stays in memory for the next time."""
        for line in self._unproven.take():
            try:
                self._spool.write(encode(line))
            except SpoolFailed:
                self._unproven.put_back(line)

    def start(self) -> None:
        threading.Thread(target=self._look_after, name="usage-spool", daemon=True).start()

    def close(self) -> None:
        self._stop.set()
        self._written.set()
        self.flush()
        self._spool.close()

    def abandon(self) -> None:
        self._spool.abandon()

    def _look_after(self) -> None:
        """Sync what was written, five times a second while anything is; sleep while nothing is."""
        flushes_in = 0.0
        while not self._stop.is_set():
            self._written.wait(_IDLE_SECONDS)
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
    """This process's recorder, made and started on first use, which is after a server has forked its workers."""
    global _appender
    if _appender is None:
        with _lock:
            if _appender is None:
                directory, most_bytes = conf.spool()
                made = Appender(
                    Spool(directory, most_bytes=most_bytes), blocks=conf.blocks_when_full()
                )
                made.start()
                _appender = made
    return _appender


@atexit.register
def stop() -> None:
    """End the thread and let the segment go. The next request starts anew."""
    global _appender
    with _lock:
        stopped, _appender = _appender, None
    if stopped:
        stopped.close()


def _forget() -> None:
    """In the child of a fork: the parent's threads are not here, and its segment is its own."""
    global _appender, _lock
    _lock = threading.Lock()
    if _appender:
        _appender.abandon()
        _appender = None


os.register_at_fork(after_in_child=_forget)
