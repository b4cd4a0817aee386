"""Claim due duties, run each in a thread, renew its claim and record how it ended."""

import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

from django.db import Error as DatabaseProblem
from django.db import connection

from config.lib.worker import claims, duties
from config.lib.worker.duties import Registration
from config.lib.worker.held import Held
from config.lib.worker.outage import Outage

logger = logging.getLogger(__name__)

LOOK_SECONDS = (0.2, 2.0)  # between two looks at the database, at least and at most
GRACE_SECONDS = 15.0


class Runner:
    """Runs duties until told to stop.

    Each running duty has a thread of its own, so that one that hangs does not delay another. A duty
    never runs twice at once, so there are at most as many threads as duties. They are daemons, not
    an executor's threads, which the interpreter joins at exit, however long a mail server takes.
    """

    def __init__(self, registrations: Iterable[Registration]) -> None:
        self._duties = {each.row_name: each for each in registrations}
        self._by = f"{duties.host()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._held: dict[str, Held] = {}
        self._outage = Outage()
        self._look_at = 0.0
        self._is_stopping = False
        # SimpleQueue.put is reentrant, so a signal handler may call it; Event.set is not.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    def stop(self) -> None:
        """Start no further runs. Safe in a signal handler."""
        self._is_stopping = True
        self._wake.put(None)

    def run(self) -> bool:
        """Run duties until stopped. False when a run had not finished GRACE_SECONDS after that."""
        logger.info("Worker %s runs %s", self._by, ", ".join(sorted(self._duties)))
        while not self._is_stopping:
            self._start_due()
            self._look_after_claims(look=time.monotonic() >= self._look_at)
            self._start_due()
            self._sleep()
        return self._finish()

    def run_once(self, *, even_if_not_due: bool) -> Sequence[Held]:
        """Run what is due and unclaimed, once each, and return it. Raises django.db.Error."""
        claims.ensure(self._duties)
        self._claim(even_if_not_due=even_if_not_due)
        ran = list(self._held.values())
        self._start_due()
        self._is_stopping = True
        while self._running():
            self._look_after_claims(look=False)
            self._sleep()
        self._release()
        return ran

    def _start_due(self) -> None:
        now = time.monotonic()
        for held in self._held.values():
            if not (held.is_running or held.is_over) and held.run_at <= now:
                held.is_running = True
                name = f"duty-{held.registration.name}"
                threading.Thread(target=self._work, args=[held], name=name, daemon=True).start()

    def _work(self, held: Held) -> None:
        """Run one duty in this thread and record the outcome."""
        try:
            held.error = held.attempt()
            held.failures = held.failures + 1 if held.error else 0
            held.run_at = time.monotonic() + held.pause().total_seconds()
            with held.lock:
                self._record(held)
        except DatabaseProblem as error:
            # Not recorded: the duty runs again when its claim ends, or here if it is kept.
            self._outage.began(error)
            held.is_over = not held.registration.keeps_claim
        finally:
            try:
                connection.close()
            finally:
                held.is_running = False
                self._wake.put(None)

    def _record(self, held: Held) -> None:
        registration, pause = held.registration, held.pause()
        if held.error:
            claims.fail(held.row, by=self._by, due_in=pause, error=held.error)
            held.is_over = True
            logger.error(
                "Duty %s failed, %d in a row; next try in %d s: %s",
                held.row,
                held.failures,
                pause.total_seconds(),
                held.error,
            )
        elif not registration.keeps_claim:
            claims.finish(held.row, by=self._by, due_in=pause)
            held.is_over = True
        elif not held.is_recorded or time.monotonic() >= held.renewed_at + held.renew_seconds:
            # On time until the next recording but one: a single slow run is no lag.
            due_in = pause + timedelta(seconds=2 * held.renew_seconds)
            lasts = registration.lasts
            held.is_over = not claims.keep(held.row, by=self._by, lasts=lasts, due_in=due_in)
            held.renewed_at, held.is_recorded = time.monotonic(), True

    def _look_after_claims(self, *, look: bool) -> None:
        """Renew held claims and claim due duties. Survives an outage of the database."""
        try:
            self._renew()
            if look:
                self._look()
        except DatabaseProblem as error:
            self._outage.began(error)
            self._look_at = time.monotonic() + self._outage.pause()
        finally:
            connection.close()

    def _renew(self) -> None:
        for held in self._held.values():
            with held.lock:
                now = time.monotonic()
                is_due = now >= held.renewed_at + held.renew_seconds
                if not held.is_running or held.is_over or not is_due:
                    continue
                held.renewed_at = now  # also after a failure, or an outage would be retried at once
                if not claims.renew(held.row, by=self._by, lasts=held.registration.lasts):
                    logger.warning(
                        "Duty %s still runs and was taken over by another worker", held.row
                    )
        self._held = {row: held for row, held in self._held.items() if not held.is_over}

    def _look(self) -> None:
        seen = claims.standings(self._duties)
        if len(seen) < len(self._duties):
            claims.ensure(self._duties)
            seen = claims.standings(self._duties)
        self._outage.is_over()
        least, most = LOOK_SECONDS
        others = [each for each in seen if each.duty.name not in self._held]
        wait = min((each.claimable_in.total_seconds() for each in others), default=most)
        if wait <= 0:
            self._claim(even_if_not_due=False)
        self._look_at = time.monotonic() + min(max(wait, least), most)

    def _claim(self, *, even_if_not_due: bool) -> None:
        free = {row: duty.lasts for row, duty in self._duties.items() if row not in self._held}
        for claimed in claims.claim(free, by=self._by, even_if_not_due=even_if_not_due):
            now, registration = time.monotonic(), self._duties[claimed.name]
            self._held[claimed.name] = Held(
                claimed.name, registration, claimed.failures, run_at=now, renewed_at=now
            )

    def _sleep(self) -> None:
        """Sleep until the next run, renewal or look; a finished run and a signal end it early."""
        times = [time.monotonic() + LOOK_SECONDS[1]]
        if not self._is_stopping:
            times.append(self._look_at)
        times += [
            held.renewed_at + held.renew_seconds if held.is_running else held.run_at
            for held in self._held.values()
        ]
        with suppress(queue.Empty):
            self._wake.get(timeout=max(0.01, min(times) - time.monotonic()))

    def _running(self) -> list[Held]:
        return [held for held in self._held.values() if held.is_running]

    def _finish(self) -> bool:
        """Wait a while for running duties to end, and release the claims of the others."""
        until = time.monotonic() + GRACE_SECONDS
        while self._running() and time.monotonic() < until:
            self._look_after_claims(look=False)
            self._sleep()
        self._release()
        late = ", ".join(held.row for held in self._running())
        if late:
            logger.warning("Worker stops without waiting for %s; another run follows", late)
        else:
            logger.info("Worker stops")
        return not late

    def _release(self) -> None:
        """Release kept claims. During an outage they end by themselves when they expire."""
        with suppress(DatabaseProblem):
            for held in self._held.values():
                if not (held.is_running or held.is_over):
                    claims.release(held.row, by=self._by)
        connection.close()
