"""Join each statement with its failure, so that one statement becomes one event.

PostgreSQL logs a statement before running it and logs an error if it fails: two records. A draft is
therefore held until its session logs something else, for at most WINDOW. The join depends only on
the log, never on when it was read, so an agent that was killed produces the very same events again.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from keyway_agent import actions
from keyway_agent.draft import Draft, Phase
from keyway_agent.interpretation import ends_statement, interpret
from keyway_agent.record import Record, Span

# A statement that fails later than this gets a second event, for the failure.
WINDOW = timedelta(seconds=2)
# How far records may be out of order, by their own time stamps.
LATENESS = timedelta(seconds=1)
# Most log bytes held for open statements. A database user who floods the log must not be able to
# exhaust the agent's memory.
HELD_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Item:
    """A record that was read. `failed_at` is the failure joined to it.

    `draft` is None if the record is not an event of its own.
    """

    span: Span
    logged_at: datetime
    draft: Draft | None
    is_open: bool = False
    failed_at: Span | None = None


@dataclass(slots=True)
class Outcomes:
    """Feed it records in log order; it yields settled items in the same order.

    `joined` holds failures that were already delivered with their statement before a restart.
    """

    joined: set[tuple[str, int]] = field(default_factory=set)
    _items: deque[Item] = field(default_factory=deque)
    _open: dict[str, list[tuple[Item, Draft]]] = field(default_factory=dict)
    _latest: datetime | None = None
    _bytes: int = 0

    def __len__(self) -> int:
        return len(self._items)

    def skip(self, span: Span) -> None:
        """Add bytes that are not a record, so that the cursor advances past them in order."""
        self._hold(Item(span, datetime.min.replace(tzinfo=UTC), None))

    def feed(self, record: Record) -> None:
        self._latest = record.logged_at
        draft = interpret(record)
        if draft and draft.phase is Phase.FAILED and self._join(draft):
            draft = None
        item = Item(record.span, record.logged_at, draft)
        self._hold(item)
        if draft:
            self._begin(draft, item)
        elif ends_statement(record):
            self._close(record.session)

    def settled(self, caught_up_at: datetime | None) -> Iterator[Item]:
        """Yield the items that later records can no longer change.

        `caught_up_at` is when the whole log had been read, or None if it has not been.
        """
        while self._items and self._is_settled(self._items[0], caught_up_at):
            item = self._items.popleft()
            self._bytes -= item.span.size
            if item.is_open and item.draft:
                self._discard(item, item.draft.record.session)
            yield item

    def _is_settled(self, item: Item, caught_up_at: datetime | None) -> bool:
        end = item.logged_at + WINDOW + LATENESS
        times = (self._latest, caught_up_at)
        return (
            not item.is_open
            or any(time > end for time in times if time)
            or self._bytes > HELD_BYTES
        )

    def _hold(self, item: Item) -> None:
        self._items.append(item)
        self._bytes += item.span.size

    def _join(self, failure: Draft) -> bool:
        """Mark the failed statement's drafts as failed. Return False if none of them is held."""
        session, span = failure.record.session, failure.record.span
        if (span.file, span.start) in self.joined:
            self.joined.discard((span.file, span.start))
            self._close(session)
            return True
        meant = [
            (item, earlier)
            for item, earlier in self._open.get(session, ())
            if _is_of(failure, earlier)
        ]
        for item, earlier in meant:
            item.failed_at = span
            earlier.succeeded = False
            earlier.notes |= failure.notes
            if failure.action is actions.LOGIN_FAILED:
                earlier.action = actions.LOGIN_FAILED
        if meant:
            self._close(session)
        return bool(meant)

    def _begin(self, draft: Draft, item: Item) -> None:
        """Open a draft and close the previous statement of its session.

        Records with the same pgAudit statement number stay open together.
        """
        session = draft.record.session
        self._close(session, keeping=draft.audit_id)
        if draft.phase is Phase.STARTED:
            item.is_open = True
            self._open.setdefault(session, []).append((item, draft))

    def _close(self, session: str, keeping: str = "") -> None:
        kept = []
        for item, draft in self._open.pop(session, ()):
            if keeping and draft.audit_id in {"", keeping}:
                kept.append((item, draft))
            else:
                item.is_open = False
        if kept:
            self._open[session] = kept

    def _discard(self, item: Item, session: str) -> None:
        kept = [held for held in self._open.pop(session, ()) if held[0] is not item]
        if kept:
            self._open[session] = kept


def _is_of(failure: Draft, earlier: Draft) -> bool:
    """Whether the failure belongs to the earlier draft: by text, or else by transaction."""
    error, record = failure.record, earlier.record
    if error.logged_at - record.logged_at > WINDOW:
        return False
    if failure.action is actions.LOGIN_FAILED or earlier.action is actions.LOGIN_SUCCEEDED:
        return failure.action is actions.LOGIN_FAILED and earlier.action is actions.LOGIN_SUCCEEDED
    if error.command_tag in {"PARSE", "BIND"}:
        return False  # of the next statement, which failed before it was executed and logged
    if failure.statement:
        return failure.statement == earlier.statement
    return bool(error.transaction) and error.transaction == record.transaction
