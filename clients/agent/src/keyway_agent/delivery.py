"""Deliver events to the server, retrying until each has a verdict."""

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

from keyway_agent.answers import (
    BatchRefused,
    NeedsAttention,
    TemporaryFailure,
    UnexpectedAnswer,
    printable,
)
from keyway_agent.backoff import Backoff
from keyway_agent.errors import AgentError
from keyway_agent.event import Event
from keyway_agent.log_time import rfc3339
from keyway_agent.server import Server
from keyway_agent.state import StateDirectory

logger = logging.getLogger(__name__)

REJECTED = "rejected.ndjson"
# Uncompressed, and below the server's limit of 10 MiB.
BATCH_BYTES = 8 * 1024 * 1024
_Line = tuple[bytes, Event]


class Stopping(AgentError):
    """The agent was asked to stop during a wait."""


class Delivery:
    """Give up after `patience` consecutive failures; a service passes None and never gives up."""

    def __init__(
        self,
        server: Server,
        state: StateDirectory,
        stop: threading.Event,
        *,
        patience: int | None = None,
    ) -> None:
        self._server, self._state, self._stop, self._patience = server, state, stop, patience
        self._backoff = Backoff()
        self._limit = 10_000
        self._last_failure = ""

    def deliver(self, events: Sequence[Event], batch_size: int) -> None:
        """Return once every event is accepted, a known duplicate, or set aside as rejected.

        Raises Refused, Stopping and, with `patience`, TemporaryFailure.
        """
        at = 0
        while at < len(events):
            batch = list(_batch(events, at, min(batch_size, self._limit)))
            if self._send(batch):
                at += len(batch)

    def _send(self, batch: Sequence[_Line]) -> bool:
        """Return True when the batch is settled, False when it must be retried in halves."""
        try:
            verdicts = self._ask(batch)
        except BatchRefused as refusal:
            if len(refusal.verdicts) == len(batch) and _are_verdicts(refusal.verdicts, len(batch)):
                self._set_aside(refusal.verdicts, batch)
                return True
            if len(batch) > 1:
                self._limit = len(batch) // 2
                logger.warning(
                    "The server refused a batch of %d events (%s). Halving it.",
                    len(batch),
                    refusal,
                )
                return False
            self._set_aside(
                [{"index": 0, "code": refusal.code, "field": None, "detail": refusal.detail}], batch
            )
            return True
        self._set_aside(verdicts["rejected"], batch)
        self._limit = min(10_000, self._limit + self._limit // 10 + 1)
        return True

    def _ask(self, batch: Sequence[_Line]) -> dict[str, Any]:
        """Send the batch until the server answers. Raises BatchRefused too."""
        lines = b"".join(line for line, _ in batch)
        attempts = 0
        while True:
            try:
                verdicts = self._server.send(lines)
                _check(verdicts, len(batch))
            except TemporaryFailure as failure:
                attempts += 1
                if self._patience is not None and (
                    attempts >= self._patience or isinstance(failure, NeedsAttention)
                ):
                    raise
                self._wait(failure)
            else:
                if self._last_failure:
                    logger.info("The server accepts events again.")
                self._last_failure = ""
                self._backoff.reset()
                return verdicts

    def _wait(self, failure: TemporaryFailure) -> None:
        seconds = self._backoff.seconds_after(failure)
        if str(failure) != self._last_failure:
            self._last_failure = str(failure)
            logger.warning("%s. Nothing is lost; retrying in %.0f s.", failure, seconds)
        if self._stop.wait(seconds):
            raise Stopping("Asked to stop.")

    def _set_aside(self, verdicts: Sequence[dict[str, Any]], batch: Sequence[_Line]) -> None:
        """Keep rejected events on this machine.

        Must be synced to disk before the cursor advances: the server did not store these events,
        and the agent does not read them again.
        """
        if not verdicts:
            return
        at = rfc3339(datetime.now(UTC))
        notes = [
            {
                "at": at,
                "code": verdict["code"],
                "field": verdict.get("field"),
                "detail": verdict.get("detail"),
            }
            | {"event": batch[verdict["index"]][1]}
            for verdict in verdicts
        ]
        self._state.append(REJECTED, b"".join(json.dumps(note).encode() + b"\n" for note in notes))
        reasons = sorted({printable(str(note["code"])) for note in notes})
        logger.warning(
            "The server rejected %d events (%s): see %s.", len(notes), ", ".join(reasons), REJECTED
        )


def _batch(events: Sequence[Event], at: int, limit: int) -> Iterator[_Line]:
    """Encode at most `limit` events, within BATCH_BYTES, but always at least one."""
    size = 0
    for event in events[at : at + limit]:
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        size += len(line)
        if size > BATCH_BYTES and size > len(line):
            return
        yield line, event


def _check(verdicts: dict[str, Any], sent: int) -> None:
    """Raise UnexpectedAnswer unless every event has a verdict.

    Without this check, a proxy's 200 would advance the cursor over events that nothing stored.
    """
    rejected = verdicts.get("rejected")
    accepted, duplicate = verdicts.get("accepted"), verdicts.get("duplicate")
    if (
        not _are_verdicts(rejected, sent)
        or not isinstance(accepted, int)
        or not isinstance(duplicate, int)
    ):
        raise UnexpectedAnswer("200, but without Keyway's verdicts")
    if accepted + duplicate + len(rejected) != sent:
        raise UnexpectedAnswer("200, but without a verdict on every event")


def _are_verdicts(rejected: object, sent: int) -> TypeGuard[list[dict[str, Any]]]:
    if not isinstance(rejected, list) or not all(
        isinstance(verdict, dict) and "code" in verdict for verdict in rejected
    ):
        return False
    indices = [verdict.get("index") for verdict in rejected]
    return len(set(indices)) == len(indices) and set(indices) <= set(range(sent))
